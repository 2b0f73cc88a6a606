"""Many questions to a host in one channel, and their answers in pyinfra's own form.

What is not certain is no answer, and will be asked alone: what failed, printed more than
``LONGEST`` or no UTF-8, as pyinfra has words of its own for that. A batch that does not come
through to its end gives no answer at all. Several batches may go one after the other in the same
channel, each a batch of its own; the last one ends it.
"""

import secrets
import shlex
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paramiko.ssh_exception import SSHException
from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.util import OutputLine

from state.combining import Combined, combined
from state.connection import start_command
from state.output_limit import MAX_LINES
from state.questions import Question, Way, by_way
from state.remote_shell import KNOWN, FramedChannel

LIMIT_S = 20
LONGEST = 1_000_000
# Of all answers together: a controller may have many hosts.
LARGEST = 8_000_000
# perl is part of every Debian; a shell could keep the outputs apart in files alone.
_SCRIPT = "\n".join(
    line
    for line in Path(__file__).with_name("batch.pl").read_text().splitlines()
    if line and not line.startswith("#")
)
_SCRIPT = _SCRIPT.replace("KNOWN", KNOWN)
COMMAND = f"PERL_BADLANG=0 exec perl -e {shlex.quote(_SCRIPT)}"
# What else there may be is in each question.
_PLAIN = {"_env": None, "_chdir": None, "_shell_executable": "sh"}
_STREAMS = {b"o": "stdout", b"e": "stderr"}


class Broken(Exception):
    """What a host answered is not what was asked for."""


@dataclass(frozen=True)
class Answer:
    """What a command that succeeded printed, line by line, in the order in which it came."""

    lines: Sequence[OutputLine]


def ask(
    host: Host, questions: Sequence[Question], limit_s: float = LIMIT_S
) -> dict[Question, Answer]:
    """The answers that can be relied on; those who ask as another user get a channel of theirs."""
    [found] = ask_in_turn(host, [questions], limit_s)
    return found


def ask_in_turn(
    host: Host, batches: Sequence[Sequence[Question]], limit_s: float = LIMIT_S
) -> Iterator[dict[Question, Answer]]:
    """The same of each batch, as soon as it is there; no question is asked before those of the
    batch before have been answered.
    """
    ways = [by_way(each) for each in batches]
    usual = _answered(host, (), [each.pop((), []) for each in ways], limit_s)
    for found, others in zip(usual, ways, strict=True):
        for way, together in others.items():
            [more] = _answered(host, way, [together], limit_s)
            found |= more
        yield found


def _answered(
    host: Host, way: Way, batches: Sequence[Sequence[Question]], limit_s: float
) -> Iterator[dict[Question, Answer]]:
    """The same of those who ask in one way, one for each batch, whatever happens."""
    left = len(batches)
    try:
        if any(batches):
            for found in _ask_in_one_way(host, way, batches, limit_s):
                left -= 1
                yield found
    except (Broken, PyinfraError, OSError, EOFError, SSHException) as error:
        reason = str(error) or type(error).__name__
        logger.debug("%s is asked one by one: %s", host.name, reason)
    for _ in range(left):
        yield {}


def _ask_in_one_way(
    host: Host, way: Way, batches: Sequence[Sequence[Question]], limit_s: float
) -> Iterator[dict[Question, Answer]]:
    mark = secrets.token_bytes(16)
    sent = [combined(each) for each in batches]
    channel = start_command(host, COMMAND, {**_PLAIN, **dict(way)})
    try:
        channel.settimeout(limit_s)
        end = time.monotonic() + limit_s
        channel.sendall(request(mark, [list(each) for each in sent], limit_s))
        parts = _read(channel, mark, len(sent), end)
        for each, said in zip(sent, parts, strict=True):
            yield _apart(each, answers(mark, list(each), said))
    finally:
        channel.close()


def _apart(
    sent: Mapping[Question, Combined | None], said: Mapping[Question, Answer]
) -> dict[Question, Answer]:
    """The answers to what was to be asked, by those to what was sent for it."""
    found: dict[Question, Answer] = {}
    for question, answer in said.items():
        if together := sent[question]:
            found |= {each: Answer(lines) for each, lines in together.apart(answer.lines).items()}
        else:
            found[question] = answer
    return found


def _read(channel: FramedChannel, mark: bytes, batches: int, end: float) -> Iterator[bytes]:
    """What a channel's command prints of each batch, the last one together with what follows.

    Raises Broken where it complains, fails or hangs.
    """
    said, left, closing = bytearray(), LARGEST, _framed(mark)
    while more := channel.recv(65536):
        said += more
        left -= len(more)
        if left < 0:
            raise Broken("the answers are too long")
        if time.monotonic() > end:
            raise Broken("the answers take too long")
        while batches > 1 and (at := said.find(closing, len(mark))) >= 0:
            batches -= 1
            yield bytes(said[: at + len(closing)])
            del said[: at + len(closing)]
    if complaint := channel.recv_stderr(1000):
        raise Broken(complaint.decode(errors="replace").strip())
    if not channel.status_event.wait(max(0, end - time.monotonic())):
        raise Broken("there is no end")
    if channel.exit_status != 0:
        raise Broken(f"exit code {channel.exit_status}")
    if batches > 1:
        raise Broken("not all batches were answered")
    yield bytes(said)


def request(mark: bytes, batches: Sequence[Sequence[Question]], limit_s: float) -> bytes:
    """What batch.pl reads."""
    words = [mark, b"%d" % max(1, limit_s), b"%d" % LONGEST]
    for batch in batches:
        commands = (word.encode() for each in batch for word in (each.shell, each.text))
        words.append(b"".join(map(_framed, commands)))
    return _framed(b"".join(map(_framed, words)))


def answers(mark: bytes, questions: Sequence[Question], said: bytes) -> dict[Question, Answer]:
    """What batch.pl has printed of a batch. Raises Broken unless it is all there, and only that."""
    if not said.startswith(mark):
        raise Broken("something else came first")
    *frames, last = _frames(said[len(mark) :]) or [b""]
    if last != mark or len(frames) != len(questions):
        raise Broken("not all answers came")
    found, lines = {}, 0
    for frame in frames:
        if len(frame) < 6:
            raise Broken("an answer is cut off")
        number, status = struct.unpack(">IH", frame[:6])
        lines += 0 if status else frame.count(b"\n")
        if lines > MAX_LINES:
            raise Broken("the answers have too many lines")
        if number >= len(questions) or questions[number] in found:
            raise Broken("an answer is to nothing that was asked")
        found[questions[number]] = _answer(status, frame[6:])
    return {question: answer for question, answer in found.items() if answer}


def _answer(status: int, printed: bytes) -> Answer | None:
    """None where it has to be asked alone."""
    if status:
        return None
    try:
        chunks = [(_STREAMS[each[:1]], each[1:]) for each in _frames(printed)]
        return Answer([OutputLine(name, line.decode()) for name, line in _lines(chunks)])
    except UnicodeDecodeError:
        return None
    except KeyError:
        raise Broken("an answer came in no stream") from None


def _lines(chunks: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Lines as pyinfra splits them: at line feeds alone, the last one with or without."""
    begun = dict.fromkeys(_STREAMS.values(), b"")
    for stream, data in chunks:
        *whole, begun[stream] = (begun[stream] + data).split(b"\n")
        yield from ((stream, line) for line in whole)
    yield from ((stream, line) for stream, line in begun.items() if line)


def _framed(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _frames(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(data):
        if len(found) > MAX_LINES:
            raise Broken("an answer comes in too many pieces")
        (size,) = struct.unpack(">I", data[at : at + 4].ljust(4, b"\xff"))
        if at + 4 + size > len(data):
            raise Broken("an answer is cut off")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found

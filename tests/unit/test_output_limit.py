"""What a target sends has a limit of size: the controller's memory does not grow with it."""

import base64
import gzip
import json
import struct
import subprocess
import sys
from typing import Any

import pytest
from paramiko.ssh_exception import SSHException

from state.batch import Broken, answers
from state.output_limit import MAX_BYTES, MAX_LINES, Budget, TooMuchOutput, limit_output
from state.questions import Question
from state.target_lock import MAX_SAID_BYTES, _Lines

MAX_GROWTH_MB = 50


class Channel:
    """A channel on which a target sends without an end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def recv(self, size: int) -> bytes:
        return self.data[:size]

    def recv_exit_status(self) -> int:
        return 0


class Stream:
    """What paramiko makes of it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def readline(self, size: int) -> str:
        if self.channel.closed:
            return ""
        data = self.channel.data
        line, end, _ = data.partition(b"\n")
        whole = line * (1 if end else size // max(1, len(line)) + 1)
        return (whole[:size] + end).decode()


class Host:
    """A host whose commands print the same for ever."""

    name = "web"

    def __init__(self, data: bytes) -> None:
        self.channel = Channel(data)
        self.connector = self
        self.client = self

    def exec_command(self, command: str) -> tuple[Any, Any, Any]:
        return None, Stream(self.channel), Stream(self.channel)


@pytest.mark.parametrize("data", [b"x" * 100_000, b"\n", b"line\n"], ids=["line", "empty", "lines"])
def test_a_command_that_prints_without_end_is_cut_off_by_name(data: bytes) -> None:
    host: Any = Host(data)
    limit_output(host)
    _, stdout, stderr = host.client.exec_command("yes")
    lines = list(stdout)
    assert len(lines) <= MAX_LINES and sum(map(len, lines)) <= MAX_BYTES
    assert list(stderr) == [] and host.channel.closed
    with pytest.raises(SSHException, match="web sent more than 10 MB or 100,000 lines for one"):
        stdout.channel.recv_exit_status()


def test_what_a_command_usually_prints_is_left_alone() -> None:
    budget = Budget("web")
    budget.spend(MAX_BYTES, MAX_LINES)
    with pytest.raises(TooMuchOutput):
        budget.spend(0, 1)


@pytest.mark.parametrize("data", [b"x" * 65536, b"\n"])
def test_a_lock_that_says_too_much_ends(data: bytes) -> None:
    channel: Any = Channel(data)
    lines = _Lines(channel, "web")
    with pytest.raises(TooMuchOutput):
        for _ in range(MAX_SAID_BYTES):
            lines.next()


def test_a_batch_of_too_many_lines_or_pieces_is_no_answer() -> None:
    mark = b"m" * 16
    with pytest.raises(Broken, match="the answers have too many lines"):
        said = b"\0" * 6 + b"\n" * (MAX_LINES + 1)
        frames = struct.pack(">I", len(said)) + said + struct.pack(">I", len(mark)) + mark
        answers(mark, [Question(text="yes")], mark + frames)
    with pytest.raises(Broken, match="an answer comes in too many pieces"):
        answers(mark, [], mark + b"\0\0\0\0" * (MAX_LINES + 2))


MEASURED = """
import base64, gzip, io, json, resource, sys
from state import copies
from state.signing import RecordKey
from state.store import Store
from state.syncing import get_missing
from pathlib import Path
from pyinfra.connectors.util import CommandOutput, OutputLine

class Host: name = "web"

folder, packed = Path(sys.argv[1]), sys.stdin.read()
ID = "20260101-000000-aaaaaa"
lines = [OutputLine("stdout", f"{ID} {packed}")]
copies.run_command = lambda *_: (True, CommandOutput(lines))
store = Store(folder, key=RecordKey("a key"))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
found = get_missing(store, Host(), [ID])
print(json.dumps({"found": found, "mb": peak() - before}))
"""


@pytest.mark.parametrize(
    ("content", "level", "said"),
    [
        (b'{"a":' + b"[[[[]]]]," * 700_000, 0, "is larger than any record"),
        (b"[" * 500_000_000, 9, "is larger than any record"),
        (b'{"version":"5.3","targets":[' + b"{}," * 3_000_000, 9, "is not signed"),
        (b"[" * 9_000_000, 9, "is not signed"),
    ],
    ids=["6.5 MB packed", "a bomb of 500 MB", "9 MB of objects", "9 MB of brackets"],
)
def test_a_huge_record_does_not_grow_the_controller(
    tmp_path: Any, content: bytes, level: int, said: str
) -> None:
    packed = base64.b64encode(gzip.compress(content, level)).decode()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)],
        input=packed,
        capture_output=True,
        text=True,
        check=True,
    )
    measured = json.loads(done.stdout)
    got, [problem] = measured["found"]
    assert got == [] and said in problem
    assert measured["mb"] <= MAX_GROWTH_MB, measured

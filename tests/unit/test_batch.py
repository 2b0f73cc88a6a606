"""The batch by its own script, run here by sh: each answer is what asking alone gives."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyinfra.api import Config, Host, Inventory, State, StringCommand
from pyinfra.connectors.util import OutputLine
from pyinfra.facts.files import File

from facts.files import FileState, FileStates
from state import batch
from state.batch import Broken, answers, ask, request
from state.combining import combined
from state.questions import Question


class LocalChannel:
    """What a channel to a host is here: the pipes of a process."""

    def __init__(self, command: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            **options,
        )
        self.status_event = self

    def settimeout(self, seconds: float) -> None:
        """Tests end anyway."""

    def sendall(self, data: bytes) -> None:
        assert self.process.stdin
        while data:
            data = data[self.process.stdin.write(data) :]

    def recv(self, size: int) -> bytes:
        assert self.process.stdout
        return bytes(self.process.stdout.read(size))

    def recv_stderr(self, size: int) -> bytes:
        assert self.process.stderr
        return bytes(self.process.stderr.read(size))

    def wait(self, seconds: float) -> bool:
        self.process.wait(20)
        return True

    @property
    def exit_status(self) -> int:
        return self.process.returncode

    def close(self) -> None:
        """The end of the connection: the process there is told so by the end of its input."""
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()
        self.process.wait(20)


def local_host() -> Host:
    state = State(Inventory((["@local"], {})), Config())
    host: Host = state.inventory.get_host("@local")
    host.connect()
    return host


HOST = local_host()


@pytest.fixture(autouse=True, scope="module")
def heard() -> Iterator[None]:
    """Ctrl-C is not ignored, as it is by what a shell starts in its background; sshd does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def channels(monkeypatch: pytest.MonkeyPatch) -> list[LocalChannel]:
    """The channels that were opened, each to this computer."""
    opened: list[LocalChannel] = []

    def start(host: Host, command: str, become: Any = None) -> LocalChannel:
        opened.append(LocalChannel(command))
        return opened[-1]

    monkeypatch.setattr(batch, "start_command", start)
    return opened


@pytest.fixture(autouse=True)
def hang_up() -> Iterator[None]:
    """What runs the tests may ignore this signal, as nohup does, and so may a command alone."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def alone(text: str, shell: str = "sh") -> tuple[bool, list[str], list[str]]:
    """What pyinfra gets of one command: whether it succeeded, its output and its errors."""
    succeeded, output = HOST.run_shell_command(StringCommand(text), _shell_executable=shell)
    return succeeded, output.stdout_lines, output.stderr_lines


def told(found: dict[Question, batch.Answer], question: Question) -> tuple[list[str], list[str]]:
    """The same of an answer of a batch."""
    streams: dict[str, list[str]] = {"stdout": [], "stderr": []}
    for line in found[question].lines:
        streams[line.buffer_name].append(line.line)
    return streams["stdout"], streams["stderr"]


def printing(said: Sequence[tuple[str, bytes]], status: int) -> str:
    """A shell command that prints these bytes, and ends so."""
    steps = []
    for stream, data in said:
        octal = "".join(f"\\{byte:03o}" for byte in data)
        steps.append(f"printf '{octal}'{' >&2' if stream == 'stderr' else ''}")
    return "; ".join([*steps, f"exit {status}"])


PIECES = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"", b"\n", b"\n\n", b"\r\n", b"no end", "ü\n".encode(), b"\xff\n", b"\0"]),
)
SAID = st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), PIECES), max_size=5)


@settings(max_examples=60)
@given(st.lists(st.tuples(SAID, st.sampled_from([0, 0, 0, 1, 127])), max_size=6))
def test_an_answer_is_what_asking_alone_gives(jobs: list[Any]) -> None:
    questions = list(dict.fromkeys(Question(text=printing(*job)) for job in jobs))
    found = ask(HOST, questions)
    for question in questions:
        done = subprocess.run(["sh", "-c", question.text], capture_output=True)
        readable = all(_is_text(each) for each in (done.stdout, done.stderr))
        assert (question in found) == (done.returncode == 0 and readable)
        if question in found:
            assert (True, *told(found, question)) == alone(question.text)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        "cat; echo it ended",
        "read -r line || echo nothing to read",
        "no-such-program; true",
        "no-such-program",
        "kill -TERM $$",
        "echo $0 $-",
        "umask; ulimit -n; pwd; id",
        "env | sort",
        "(sleep 0.1; echo late) & echo soon; wait",
        "printf 'one\\r\\ntwo\\n\\nthree'",
        "echo out; echo err >&2; echo out again",
        "trap '' PIPE; trap",
        "sleep 0.2 | cat; echo $?",
        "[ -t 0 ] || [ -t 1 ] || echo no terminal",
        "ls -l /proc/self/fd | wc -l",
        "printf %s '$HOME `id` \"x\" '\\''y'\\'''",
        "echo 'first\nsecond'",
    ],
)
@pytest.mark.parametrize("shell", ["sh", "bash", "/bin/sh", "no-such-shell"])
def test_a_command_meets_what_it_would_meet_alone(text: str, shell: str) -> None:
    succeeded, *printed = alone(text, shell)
    question = Question(text=text, shell=shell)
    found = ask(HOST, [question])
    assert (question in found) == succeeded
    if succeeded:
        assert list(told(found, question)) == printed


def test_the_order_of_the_lines_is_that_of_their_coming() -> None:
    text = "for n in 1 2 3; do echo $n; sleep 0.05; echo $n >&2; sleep 0.05; done"
    question = Question(text=text)
    lines = ask(HOST, [question])[question].lines
    streams = ["stdout", "stderr"]
    assert lines == [OutputLine(each, str(n)) for n in (1, 2, 3) for each in streams]


def test_what_is_too_long_is_asked_alone_and_spoils_nothing() -> None:
    long = Question(text="head -c 900000 /dev/zero | tr '\\0' x; echo; yes | head -c 90000 >&2")
    too_long = Question(text="yes")
    short = Question(text="echo short")
    found = ask(HOST, [too_long, long, short])
    assert found.keys() == {long, short}
    assert (True, *told(found, long)) == alone(long.text)


def test_many_are_asked_at_once() -> None:
    questions = [Question(text=f"sleep 0.01; echo {n}") for n in range(300)]
    found = ask(HOST, questions)
    assert [told(found, each)[0] for each in questions] == [[str(n)] for n in range(300)]


def test_none_is_asked_in_no_channel(channels: list[LocalChannel]) -> None:
    assert ask(HOST, []) == {}
    assert channels == []


def test_each_way_of_becoming_another_user_has_one_channel(channels: list[LocalChannel]) -> None:
    other = (("_sudo", True), ("_sudo_user", "www-data"))
    questions = [
        Question(text="echo 1"),
        Question(text="echo 2", become=other),
        Question(text="echo 3"),
    ]
    assert ask(HOST, questions).keys() == set(questions)
    assert len(channels) == 2


def processes(word: str) -> list[int]:
    """Those whose command line holds a word."""
    found = subprocess.run(["pgrep", "-f", word], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def test_one_that_hangs_ends_all_and_leaves_nothing_behind(channels: list[LocalChannel]) -> None:
    hanging = Question(text="sleep 987.125 & sleep 987.125")
    assert ask(HOST, [Question(text="echo 1"), hanging], limit_s=1) == {}
    assert channels[0].process.returncode != 0
    assert processes("sleep 987[.]125") == []


def test_nothing_goes_on_when_nobody_is_there_any_more() -> None:
    channel = LocalChannel(batch.COMMAND)
    channel.sendall(request(b"mark", [[Question(text="echo hi; sleep 987.375")]], 60))
    assert channel.recv(4) == b"mark"
    while not processes("sleep 987[.]375"):
        time.sleep(0.01)
    channel.close()
    assert channel.process.returncode == 1
    assert processes("sleep 987[.]375") == []


def test_a_batch_that_is_killed_gives_no_answer(channels: list[LocalChannel]) -> None:
    def kill() -> None:
        while not channels or not processes("sleep 0[.]98"):
            time.sleep(0.01)
        os.kill(channels[0].process.pid, signal.SIGKILL)

    killing = threading.Thread(target=kill)
    killing.start()
    assert ask(HOST, [Question(text="echo 1"), Question(text="sleep 0.98")]) == {}
    killing.join()


@pytest.mark.parametrize(
    "command",
    [
        "true",
        "exit 3",
        "no-such-program",
        f"echo a login banner; {batch.COMMAND}",
        f"echo 'cannot change locale' >&2; {batch.COMMAND}",
        f"({batch.COMMAND}); exit 4",
        f"({batch.COMMAND}); echo more",
        f"({batch.COMMAND}) | head -c 40",
    ],
)
def test_a_host_that_says_anything_else_gives_no_answer(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(batch, "COMMAND", command)
    try:
        assert ask(HOST, [Question(text="echo 1; echo 2; echo 3")]) == {}
    finally:
        monkeypatch.undo()


def said_of(questions: list[Question]) -> bytes:
    channel = LocalChannel(batch.COMMAND)
    channel.sendall(request(b"the mark", [questions], 20))
    said = b""
    while more := channel.recv(65536):
        said += more
    channel.close()
    return said


def test_what_is_cut_off_anywhere_or_goes_on_is_no_answer() -> None:
    questions = [Question(text="echo 1; echo 2 >&2"), Question(text="true")]
    whole = said_of(questions)
    assert answers(b"the mark", questions, whole).keys() == set(questions)
    for end in range(len(whole)):
        with pytest.raises(Broken):
            answers(b"the mark", questions, whole[:end])
    for other in (whole + b"\0", whole + whole, b"\n" + whole, whole.replace(b"mark", b"mask")):
        with pytest.raises(Broken):
            answers(b"the mark", questions, other)
    for at in range(len(whole)):
        for byte in (0, 1, 255):
            with contextlib.suppress(Broken):
                answers(b"the mark", questions, whole[:at] + bytes([byte]) + whole[at + 1 :])
    for asked in (questions[:1], [*questions, Question(text="echo 3")], []):
        with pytest.raises(Broken):
            answers(b"the mark", asked, whole)


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """All kinds of what may stand at a path, and what may not."""
    (tmp_path / "file").write_text("text\n")
    (tmp_path / "empty").touch(mode=0o600)
    (tmp_path / "folder").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "to folder").symlink_to("folder")
    (tmp_path / "astray").symlink_to("nowhere")
    (tmp_path / "@:+-._").write_text("more\n")
    for odd in ("with space", "with'quote", "*", "a|b", "two\nlines", "ü", "$HOME"):
        (tmp_path / odd).write_text(odd)
    os.mkfifo(tmp_path / "pipe")
    there = [str(each) for each in sorted(tmp_path.iterdir())]
    return [*there, f"{tmp_path}/nothing", f"{tmp_path}/file/below", f"{tmp_path}/folder/", "/"]


def of(fact: type[Any], paths: Sequence[str]) -> list[Question]:
    """The questions of a fact about paths."""
    return [Question(text=fact().command(path).get_raw_value()) for path in paths]


@pytest.mark.parametrize("fact", [FileState, File])
def test_many_paths_are_told_of_as_one_alone(fact: type[Any], paths: list[str]) -> None:
    questions = of(fact, paths)
    found = ask(HOST, questions)
    assert found.keys() == set(questions)
    for question in questions:
        assert (True, *told(found, question)) == alone(question.text)


def test_questions_about_some_of_the_paths_are_part_of_the_same_command(paths: list[str]) -> None:
    plain = [path for path in paths if "\n" not in path]
    together = [plain[:3], plain[2:9], plain, plain[-2:], [f"{paths[0]}/nothing"]]
    asked = [FileStates().command(each).get_raw_value() for each in together]
    questions = [*map(lambda text: Question(text=text), asked), *of(FileState, plain)]
    found = ask(HOST, questions)
    for question in questions:
        assert (True, *told(found, question)) == alone(question.text)
    few = of(FileState, ["/a", "/b"])
    several = Question(text=FileStates().command(["/b", "/c"]).get_raw_value())
    assert len(combined([*few, several])) == 1


@pytest.mark.parametrize(("fact", "programs"), [(FileState, 2), (File, 1)])
def test_programs_are_started_once_for_many_paths(fact: type[Any], programs: int) -> None:
    questions = of(fact, [f"/etc/{number}" for number in range(300)])
    assert 0 < sum(each.text.count(" || stat ") for each in combined(questions)) <= 3
    assert len(combined(questions)) == 3
    assert len(max((each.text for each in combined(questions)), key=len)) < 30_000
    assert sum(each.text.count("sha256sum") for each in combined(questions)) == 3 * (programs - 1)


def test_a_path_of_which_nothing_can_be_told_leaves_all_to_be_asked_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "sha256sum"
    program.write_text('#!/bin/sh\n[ $# = 0 ] && exec /usr/bin/sha256sum\necho "$*" >&2; exit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    questions = of(FileState, ["/etc/passwd", "/etc/group"])
    other = Question(text="echo 1")
    assert ask(HOST, [*questions, other]).keys() == {other}


@pytest.mark.parametrize(
    "said",
    [
        ["/etc/other|regular file|644|root|root"],
        ["/etc/group|directory|755|root|root", "/etc/group|directory|755|root|root"],
        ["f" * 64 + "  /etc/group"],
        ["something else"],
        [""],
    ],
)
def test_an_answer_to_many_that_is_none_is_dropped(said: list[str]) -> None:
    (together,) = combined(of(FileState, ["/etc/passwd", "/etc/group"])).values()
    assert together
    assert together.apart([OutputLine("stdout", line) for line in said]) == {}


def test_another_user_and_another_shell_are_not_asked_along(channels: list[LocalChannel]) -> None:
    mine, yours = of(FileState, ["/etc/passwd", "/etc/group"])
    bash = [each.model_copy(update={"shell": "bash"}) for each in (mine, yours)]
    assert ask(HOST, [mine, yours, *bash]).keys() == {mine, yours, *bash}
    assert len(combined([mine, yours, *bash])) == 3

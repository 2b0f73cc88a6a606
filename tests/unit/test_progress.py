"""What long commands tell of their progress, on the host and here."""

import subprocess
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyinfra.api import Host

from facts.progress import told
from state.overhearing import Heard, forget, heard, overhear
from tasks.operations.progress import END, telling


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("pmstatus:nginx:23.5294:Unpacking nginx (amd64)", "24 %, Unpacking nginx (amd64)"),
        ("dlstatus:1:92.3:Retrieving file 11 of 16", "92 %, Retrieving file 11 of 16"),
        ("Waiting for cache lock", "Waiting for cache lock"),
        ("", ""),
    ],
)
def test_what_is_told(said: str, expected: str) -> None:
    assert told(f"chom-progress {said}") == expected
    assert told(said) is None


def test_a_download_has_a_size_and_a_rate() -> None:
    assert str(Heard("bytes 54600000", 10.0)) == "54.6 MB"
    assert str(Heard("bytes 54600000", 12.0, (10.0, 4600000))) == "54.6 MB, 25.0 MB/s"


def sh(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=120)


def test_a_command_tells_while_it_runs_and_no_longer() -> None:
    done = sh(f"{telling('echo bytes 12')}; sleep 2.5; echo done; {END}")
    *told, last = done.stdout.splitlines()
    assert {*told} == {"chom-progress bytes 12"} and last == "done"
    assert (done.returncode, done.stderr) == (0, "")


def test_the_work_goes_on_when_nobody_listens_any_more() -> None:
    """As when the connection is lost: whoever tells ends, the command does not."""
    script = f"{telling('echo bytes 12')}; sleep 3; echo done >&2; {END}"
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b"done\n"
    assert process.wait(10) == 0


class Stream:
    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.channel = "the channel"

    def __iter__(self) -> Iterator[str]:
        return iter(self.lines)


def test_what_is_overheard_is_not_in_the_output() -> None:
    stdout = Stream("one\n", "chom-progress bytes 1000000\n", "chom-progress \n", "two\n")
    client: Any = SimpleNamespace(exec_command=lambda *_, **__: ("stdin", stdout, "stderr"))
    host = cast(Host, SimpleNamespace(connector=SimpleNamespace(client=client), connector_data={}))
    overhear(host)
    _, listened, stderr = client.exec_command("a command", get_pty=False)
    assert (list(listened), stderr) == (["one\n", "two\n"], "stderr")
    assert listened.channel == "the channel"
    assert str(heard(host)) == "1.0 MB"
    forget(host)
    assert heard(host) is None


def test_a_host_without_ssh_has_nothing_to_hear() -> None:
    overhear(cast(Host, SimpleNamespace(connector=object(), connector_data={})))

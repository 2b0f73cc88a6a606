"""The seam in pyinfra: the names that it replaces, and the sockets that it makes prompt."""

import inspect
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest
from pyinfra.api import Config, State, arguments, util
from pyinfra_cli import cli

from configs import PROJECT, ConfigurationError
from state import options, seam
from state.transport import prompt_transport
from tests.unit.helpers import fake_state


class Witness:
    """Writes down which hooks were called."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def connect(self, state: State, usual: Callable[[], None]) -> None:
        self.calls.append("connect")
        usual()

    def prepared(self, state: State) -> bool:
        self.calls.append("prepared")
        return True

    def operate(self, state: State, serial: bool, usual: Callable[[], None]) -> None:
        self.calls.append(f"operate serial={serial}")
        usual()

    def report(self, state: State, usual: Callable[[], None]) -> None:
        self.calls.append("report")

    def finish(self, state: State) -> None:
        self.calls.append("finish")

    def interrupted(self, exit_code: int) -> bool:
        self.calls.append(f"interrupted {exit_code}")
        return False


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Put pyinfra and the signals back after each test."""
    names = {name: getattr(cli, name) for name in seam.NAMES}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, value in names.items():
        setattr(cli, name, value)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_pyinfra_calls_each_name_once() -> None:
    source = inspect.getsource(cli)
    for name in seam.NAMES:
        assert len(re.findall(rf"^\s+(?:[a-z_, ]+ = )?{name}\(", source, re.MULTILINE)) == 1, name


def test_pyinfra_hands_over_what_the_seam_takes() -> None:
    assert "run_ops(state, serial=serial, no_wait=no_wait)" in inspect.getsource(cli)


def test_the_hooks_stand_around_what_pyinfra_does(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for name in seam.NAMES:
        monkeypatch.setattr(cli, name, lambda *_, _name=name, **__: done.append(_name))
    state: Any = fake_state(["a"])
    monkeypatch.setattr(cli, "_handle_commands", lambda **_: (True, state, Config()))
    witness = Witness()
    seam.install(witness)
    cli.connect_all(state)
    assert cli._handle_commands(json_output=False)[:2] == (False, state)
    cli.run_ops(state, serial=True, no_wait=False)
    cli.print_results(state)
    cli.disconnect_all(state)
    assert witness.calls == [
        "connect", "prepared", "operate serial=True", "report", "finish"
    ]  # fmt: skip
    assert done == ["connect_all", "run_ops", "disconnect_all"]


def test_hosts_are_disconnected_even_if_closing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(cli, "disconnect_all", lambda state: done.append("disconnected"))

    class Broken(Witness):
        def finish(self, state: State) -> None:
            raise OSError("disk full")

    seam.install(Broken())
    with pytest.raises(OSError, match="disk full"):
        cli.disconnect_all(fake_state(["a"]))
    assert done == ["disconnected"]


def test_a_pyinfra_without_one_of_the_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cli, "run_ops")
    with pytest.raises(RuntimeError, match=r"no pyinfra_cli\.cli\.run_ops; 3\.10 is needed"):
        seam.install(Witness())


def test_every_ssh_socket_sends_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sock = socket.create_connection(server.getsockname())
        transport = prompt_transport(sock, disabled_algorithms=None)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.close()


def read(**given: Any) -> options.Options:
    """The options as they are read while pyinfra's command runs with ``given``."""
    with click.Context(click.Command("pyinfra")) as context:
        context.params = {"operations": ("deploy.py",), **given}
        return options.read()


def test_options_are_those_of_the_command() -> None:
    found = read(yes=True, dry=False, verbosity=2, fail_percent=50, data=("php.children=8",))
    assert found == options.Options(
        verbosity=2, fail_percent=50, data={"php.children": "8"}, yes=True
    )


def test_a_question_without_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115
    with pytest.raises(options.NoTerminal, match="add -y to deploy, or --dry"):
        read()
    assert read(dry=True).dry
    read(json_output=True)
    read(operations=("debug-inventory",))


def test_a_message_and_a_wait_for_the_lock_are_read() -> None:
    found = read(yes=True, data=("message=a new logo = better", "lock_wait=300"))
    assert (found.message, found.lock_wait_s) == ("a new logo = better", 300)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ("lock_wait=soon", "lock_wait"),
        ("lock_wait=-1", "lock_wait"),
        ("lock_wait=999999", "lock_wait"),
        ("message=two\nlines", "message"),
        (f"message={'x' * 201}", "message"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(data: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(yes=True, data=(data,))
    assert f"\n  {key}\n" in str(caught.value)
    assert "--data" in str(caught.value)


@pytest.mark.parametrize(("ends_itself", "expected"), [(False, 130), (True, 0)])
def test_a_signal_ends_the_run_unless_it_ends_itself(ends_itself: bool, expected: int) -> None:
    script = f"""\
import gevent, os, signal
from gevent import monkey
monkey.patch_all()
from state import seam
from tests.unit.test_seam import Witness
class Lanes(Witness):
    def interrupted(self, exit_code):
        return {ends_itself}
seam.install(Lanes())
gevent.spawn_later(0.1, os.kill, os.getpid(), signal.SIGINT)
gevent.sleep(0.5)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, timeout=120)
    assert done.returncode == expected


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_at_once(second: signal.Signals) -> None:
    script = f"""\
import gevent, os, signal
from gevent import monkey
monkey.patch_all()
from state import seam
from tests.unit.test_seam import Witness
class Lanes(Witness):
    def interrupted(self, exit_code):
        return True
seam.install(Lanes())
for after, number in ((0.1, signal.SIGINT), (0.2, {int(second)})):
    gevent.spawn_later(after, os.kill, os.getpid(), number)
gevent.sleep(30)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, timeout=120)
    assert done.returncode == 128 + second


def test_callers_are_told_apart_as_before_without_their_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("stack", "getframeinfo"):
        monkeypatch.setattr(util, name, getattr(inspect, name))
    state = fake_state(["a"])

    def seen() -> tuple[list[int], list[tuple[str, int]], bool]:
        order = util.get_operation_order_from_stack(state)
        frames = util.stack()
        read = any(each.code_context for each in frames)
        return order, [(each.filename, each.lineno) for each in frames[2:]], read

    results = []
    for prepare in (lambda: None, seam._leave_out_source_lines):
        prepare()  # type: ignore[no-untyped-call]
        results.append(seen())
    assert results[0][:2] == results[1][:2]
    assert (results[0][2], results[1][2]) == (True, False)


def test_the_global_arguments_are_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = arguments.all_global_arguments
    monkeypatch.setattr(arguments, "all_global_arguments", plain)
    seam._remember_arguments()
    assert arguments.all_global_arguments() == plain()
    assert arguments.all_global_arguments() is arguments.all_global_arguments()

"""The one place where we replace parts of pyinfra: five names that its CLI calls once each.

``pyinfra_cli.cli`` calls its module-level ``connect_all``, ``run_ops`` and ``disconnect_all``: the
beginning, the middle and the end of a run; ``_handle_commands``, which runs the deploy files and
after which it would show what changes; and ``print_results``, a line for every operation.
pyinfra has no hook for any of them. Measured with pyinfra 3.10, which ``pyproject.toml``
therefore pins.
"""

import atexit
import gc
import inspect
import logging
import os
import signal
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Protocol

import gevent
from gevent import getcurrent
from pyinfra.api import Config, State, arguments, util
from pyinfra_cli import cli
from pyinfra_cli.exceptions import UnexpectedMixin

NAMES = ("connect_all", "_handle_commands", "run_ops", "print_results", "disconnect_all")


class Hooks(Protocol):
    """What a run does at its beginning, in its middle and at its end.

    ``usual`` is what pyinfra would do there. ``prepared`` returns whether the run goes on without
    pyinfra's showing and asking; ``interrupted``, whether it ends by itself soon.
    """

    def connect(self, state: State, usual: Callable[[], None]) -> None: ...
    def prepared(self, state: State) -> bool: ...
    def operate(self, state: State, serial: bool, usual: Callable[[], None]) -> None: ...
    def report(self, state: State, usual: Callable[[], None]) -> None: ...
    def finish(self, state: State) -> None: ...
    def interrupted(self, exit_code: int) -> bool: ...


def install(hooks: Hooks) -> None:
    """Put ``hooks`` around pyinfra's run of this process.

    Raises RuntimeError when pyinfra's CLI lacks one of the names, instead of running without.
    """
    missing = [name for name in NAMES if not callable(getattr(cli, name, None))]
    if missing:
        raise RuntimeError(f"this pyinfra has no pyinfra_cli.cli.{missing[0]}; 3.10 is needed")
    connect_all, handle, run_ops, print_results, disconnect_all = (
        getattr(cli, name) for name in NAMES
    )

    def connect(state: State) -> None:
        hooks.connect(state, lambda: connect_all(state))

    def prepare(*arguments: Any, **options: Any) -> tuple[bool, State, Config]:
        shows, state, config = handle(*arguments, **options)
        return shows and not hooks.prepared(state), state, config

    def operate(state: State, serial: bool = False, no_wait: bool = False) -> None:
        hooks.operate(state, serial, lambda: run_ops(state, serial=serial, no_wait=no_wait))

    def report(state: State) -> None:
        hooks.report(state, lambda: print_results(state))

    def disconnect(state: State) -> None:
        try:
            hooks.finish(state)
        finally:
            disconnect_all(state)

    hooked = (connect, prepare, operate, report, disconnect)
    # A connection that ends in the middle is told by pyinfra; paramiko would add a traceback.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    for name, replacement in zip(NAMES, hooked, strict=True):
        setattr(cli, name, replacement)
    _leave_out_source_lines()
    _remember_arguments()
    _leave_quickly()
    _install_signals(hooks)


def _leave_out_source_lines() -> None:
    """Tell pyinfra of its callers' frames without their source text, which it does not use.

    It looks at them at each operation; reading the text took a quarter of the processor's time of
    a run without changes.
    """
    for name in ("stack", "getframeinfo"):
        setattr(util, name, partial(getattr(inspect, name), context=0))


def _remember_arguments() -> None:
    """Let pyinfra work out once which global arguments there are, not for every operation."""
    arguments.all_global_arguments = cache(arguments.all_global_arguments)


def _leave_quickly() -> None:
    """Let Python not look for garbage among all that there is when the process ends anyway.

    That took a tenth of the time of a run without changes.
    """
    atexit.register(gc.freeze)


def scrub_crash_report(scrub: Callable[[str], str]) -> None:
    """Let no secret get into ``pyinfra-debug.log``, which holds a crash's message."""
    plain = UnexpectedMixin.get_exception
    UnexpectedMixin.get_exception = lambda self: scrub(plain(self))


def _install_signals(hooks: Hooks) -> None:
    """End the run in order on the first Ctrl-C or SIGTERM; a second one leaves at once.

    A Python signal handler runs in whichever greenlet happens to be active, and paramiko's would
    swallow the exit; so it is thrown into the main one.
    """
    main = getcurrent()

    def leave(signum: int, frame: object) -> None:
        code = 128 + signum
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda second, _: os._exit(128 + second))
        if hooks.interrupted(code):
            return
        if getcurrent() is main:
            raise SystemExit(code)
        gevent.get_hub().loop.run_callback(main.throw, SystemExit(code))

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)

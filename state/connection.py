"""Connections: what pyinfra drops of them, and commands that are run past it."""

from collections.abc import Mapping
from typing import Any

from pyinfra.api import Host, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.connectors.util import CommandOutput

from state.output_limit import TooMuchOutput
from state.remote_shell import FramedChannel, known_command
from state.ssh_client import Client


def keep_exit_codes(host: Host) -> None:
    """Keep the channel of the last command in ``connector_data``: pyinfra drops exit codes."""
    client = getattr(host.connector, "client", None)
    if client is None:
        return
    plain = client.exec_command

    def exec_command(*args: Any, **kwargs: Any) -> Any:
        streams = plain(*args, **kwargs)
        host.connector_data["last_channel"] = streams[1].channel
        return streams

    client.exec_command = exec_command


def last_exit_code(host: Host) -> int | None:
    """The exit code of the last command on a host; None where it is not known."""
    channel = host.connector_data.get("last_channel")
    return channel.exit_status if channel is not None and channel.exit_status >= 0 else None


def run_command(host: Host, command: str, stdin: str, limit_s: int) -> tuple[bool, CommandOutput]:
    """Run a shell command outside of any operation, as the user whom operations run as.

    Returns whether it succeeded, and what it printed. Raises OSError after ``limit_s`` seconds, and
    where there is no connection any more or where more comes than any answer has.
    """
    if is_lost(host):
        raise ConnectionError("the connection is lost")
    arguments = _arguments(host, {"_stdin": stdin, "_timeout": limit_s})
    try:
        return host.run_shell_command(StringCommand(command), **arguments)
    except TooMuchOutput as error:
        raise OSError(str(error)) from None


def start_command(
    host: Host, command: str, become: Mapping[str, Any] | None = None
) -> FramedChannel:
    """Start a shell command as the same user; it ends with what it is written to or told by.

    ``become``: pyinfra's arguments for becoming another one. Raises SSHException and OSError
    where there is no connection.
    """
    arguments = {**usual_arguments(host), **(become or {})}
    whole = known_command(host, StringCommand(command), **arguments)
    client: Client = host.connector.client  # type: ignore[attr-defined]
    return client.start(whole.get_raw_value())


def has_connection(host: Host) -> bool:
    """Whether a host was connected to by SSH; other connectors hold no connection."""
    return getattr(host.connector, "client", None) is not None


def is_lost(host: Host) -> bool:
    """Whether the SSH connection of a host has ended."""
    if not has_connection(host):
        return False
    transport = host.connector.client.get_transport()  # type: ignore[attr-defined]
    return transport is None or not transport.is_active()


def usual_arguments(host: Host) -> dict[str, Any]:
    """How commands of a host are run where nothing else is said, by pyinfra's names."""
    return _arguments(host, {})


def _arguments(host: Host, given: dict[str, Any]) -> dict[str, Any]:
    of_a_run = {"_success_exit_codes", "_get_pty", "_stdin", "_timeout"} - given.keys()
    wanted = set(CONNECTOR_ARGUMENT_KEYS) - of_a_run
    arguments, _ = pop_global_arguments(host.state, host, given)
    return {key: value for key, value in arguments.items() if key in wanted}

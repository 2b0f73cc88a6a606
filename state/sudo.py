"""Sudo with a password, that no command line and no process list ever shows.

pyinfra would put the password into the environment of the remote command, and so into its text.
Instead it goes once, by standard input, into an askpass file that only its owner may read and
that is removed at the end; pyinfra is then handed that file.
"""

import getpass
import re
import shlex
import sys
from collections.abc import Mapping

from pyinfra.api import Host, StringCommand
from pyinfra.api.exceptions import ConnectError

# What pyinfra hands on in the password's place; it makes it use the askpass file.
PLACEHOLDER = "in-the-askpass-file"


class NoPassword(Exception):
    """No sudo password is known for a target, and there is no terminal to ask on."""


def variable_of(target: str) -> str:
    """The environment variable that may hold a target's own sudo password."""
    return "CHOM_SUDO_PASSWORD_" + re.sub(r"[^A-Z0-9]", "_", target.upper())


def find_password(target: str, user: str, environ: Mapping[str, str]) -> str:
    """A target's sudo password: its own variable, the common one, or asked. Raises NoPassword."""
    for name in (variable_of(target), "CHOM_SUDO_PASSWORD"):
        if environ.get(name):
            return environ[name]
    if not sys.stdin.isatty():
        raise NoPassword(
            f"{target}: no sudo password for {user}; set {variable_of(target)} or"
            " CHOM_SUDO_PASSWORD, or run on a terminal to be asked"
        )
    return getpass.getpass(f"sudo password of {user} on {target}: ")


def hand_over(host: Host, password: str) -> None:
    """Place the askpass file on a host that was just connected to. Raises ConnectError."""
    script = f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(password)}\n"
    place = (
        "umask 077; find /tmp -maxdepth 1 -name 'chom-askpass-*' -user \"$(id -un)\""
        " -mmin +1440 -delete 2>/dev/null;"
        " f=$(mktemp /tmp/chom-askpass-XXXXXX) && cat > $f && chmod 700 $f && echo $f"
    )
    succeeded, output = host.connector.run_shell_command(StringCommand(place), _stdin=script)
    if not succeeded or not output.stdout_lines:
        raise ConnectError("could not place the askpass file for sudo in /tmp")
    # The name under which pyinfra looks for an askpass file that it has placed itself.
    key = f"sudo_askpass_path__{host.get_temp_dir_config()}"
    host.connector_data[key] = output.stdout_lines[0]

"""Sudo with a password, that no command line and no process list ever shows.

pyinfra would put the password into the environment of the remote command, and so into its text.
Instead it goes once, by standard input, into an askpass file that only its owner may read and
that is removed at the end; pyinfra is then handed that file.
"""

import getpass
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Protocol

from pyinfra.api import Host, StringCommand
from pyinfra.api.exceptions import ConnectError

# What pyinfra hands on in the password's place; it makes it use the askpass file.
PLACEHOLDER = "in-the-askpass-file"


class NoPassword(Exception):
    """Sudo passwords are missing and cannot be asked for; a line for each target."""


def variable_of(target: str) -> str:
    """The environment variable that may hold a target's own sudo password."""
    return "CHOM_SUDO_PASSWORD_" + re.sub(r"[^A-Z0-9]", "_", target.upper())


class Login(Protocol):
    """How a target is logged in to, as far as sudo goes."""

    @property
    def user(self) -> str: ...
    @property
    def sudo(self) -> bool: ...
    @property
    def sudo_password(self) -> bool: ...


class Target(Protocol):
    """A target with its name and its login."""

    @property
    def name(self) -> str: ...
    @property
    def ssh(self) -> Login: ...


def find_passwords(targets: Iterable[Target], environ: Mapping[str, str]) -> dict[str, str]:
    """Target → sudo password, for those whose sudo asks: from its own variable, the common one,
    or asked for on the terminal. Raises NoPassword, naming all that cannot be had.
    """
    found, missing = {}, []
    for target in targets:
        if not (target.ssh.sudo and target.ssh.sudo_password):
            continue
        own = variable_of(target.name)
        password = environ.get(own) or environ.get("CHOM_SUDO_PASSWORD")
        if password is None and sys.stdin.isatty():
            password = getpass.getpass(f"sudo password of {target.ssh.user} on {target.name}: ")
        if password:
            found[target.name] = password
        else:
            missing.append(
                f"{target.name}: no sudo password for {target.ssh.user}; set {own} or"
                " CHOM_SUDO_PASSWORD, or run on a terminal to be asked"
            )
    if missing:
        raise NoPassword("\n".join(missing))
    return found


def hand_over(host: Host, password: str) -> None:
    """Place the askpass file on a host that was just connected to. Raises ConnectError."""
    script = f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(password)}\n"
    place = (
        "umask 077; find /tmp -maxdepth 1 -name 'chom-askpass-*' -user \"$(id -un)\""
        " -mmin +1440 -delete 2>/dev/null;"
        " f=$(mktemp /tmp/chom-askpass-XXXXXX) && cat > $f && chmod 700 $f && echo $f"
    )
    succeeded, output = host.run_shell_command(StringCommand(place), _stdin=script)
    if not succeeded or not output.stdout_lines:
        raise ConnectError("could not place the askpass file for sudo in /tmp")
    # The name under which pyinfra looks for an askpass file that it has placed itself.
    key = f"sudo_askpass_path__{host.get_temp_dir_config()}"
    host.connector_data[key] = output.stdout_lines[0]

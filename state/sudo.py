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

from pyinfra.api import Host, StringCommand
from pyinfra.connectors.util import CommandOutput

from configs import Target
from configs.findings import Finding

# What pyinfra hands on in the password's place; it makes it use the askpass file.
PLACEHOLDER = "in-the-askpass-file"


class NoPassword(Exception):
    """Sudo passwords are missing and cannot be asked for; a line for each target."""


def variable_of(target: str) -> str:
    """The environment variable that may hold a target's own sudo password."""
    return "CHOM_SUDO_PASSWORD_" + re.sub(r"[^A-Z0-9]", "_", target.upper())


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


class Refused(Exception):
    """A host's sudo did not let us."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def check_without_password(host: Host) -> None:
    """See that sudo asks for no password. Raises Refused.

    pyinfra would otherwise ask for one, and then show it in process lists.
    """
    succeeded, output = host.connector.run_shell_command(StringCommand(_said("sudo -n true")))  # type: ignore[call-arg]
    if not succeeded:
        raise Refused(
            Finding(
                "sudo",
                repr(_last_line(output)),
                "to become root without a password",
                "let the user use sudo; if it asks for a password, set ssh.sudo_password to true"
                " in the inventory and give it in CHOM_SUDO_PASSWORD",
            )
        )


def hand_over(host: Host, password: str) -> None:
    """Place the askpass file on a host that was just connected to, and try it. Raises Refused."""
    script = f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(password)}\n"
    place = (
        "umask 077; find /tmp -maxdepth 1 -name 'chom-askpass-*' -user \"$(id -un)\""
        " -mmin +1440 -delete 2>/dev/null;"
        " f=$(mktemp /tmp/chom-askpass-XXXXXX) && cat > $f && chmod 700 $f && echo $f"
        " && " + _said("SUDO_ASKPASS=$f sudo -A -k true")
    )
    succeeded, output = host.connector.run_shell_command(  # type: ignore[call-arg]
        StringCommand(place), _stdin=script
    )
    if output.stdout_lines:
        # The name under which pyinfra looks for an askpass file, and removes it at the end.
        key = f"sudo_askpass_path__{host.get_temp_dir_config()}"
        host.connector_data[key] = output.stdout_lines[0]
    if not succeeded:
        raise Refused(
            Finding(
                "sudo",
                repr(_last_line(output)),
                "the password to be accepted",
                f"give the right one in {variable_of(host.name)} or CHOM_SUDO_PASSWORD",
            )
        )


def _last_line(output: CommandOutput) -> str:
    lines = output.stderr_lines or output.stdout_lines or ["no answer"]
    return lines[-1].removeprefix("said ")


def _said(command: str) -> str:
    """Let sudo's words come in a form that does not make pyinfra ask for a password itself."""
    return f'{{ o=$({command} 2>&1) || {{ printf "said %s\\n" "$o" >&2; false; }}; }}'

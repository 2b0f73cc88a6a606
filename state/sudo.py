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


def check_shell(host: Host) -> None:
    """See that the server runs commands at all. Raises NoShell."""
    host.connector.run_shell_command(StringCommand("true"))  # type: ignore[call-arg]


def check_without_password(host: Host) -> None:
    """See that sudo asks for no password. Raises Refused.

    pyinfra would otherwise ask for one, and then show it in process lists.
    """
    succeeded, output = host.connector.run_shell_command(  # type: ignore[call-arg]
        StringCommand("sudo -n true")
    )
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


# Prints the path of an askpass file that runs from where it is: /tmp may be mounted noexec. The
# folder of the login session is in memory, and so are /dev/shm and mostly /tmp. Exit code 3: there
# is no such place.
_PLACE = """\
umask 077
places=${XDG_RUNTIME_DIR:-}:/dev/shm:/tmp:/var/tmp:$HOME
script=$(cat; echo .)
IFS=:
for place in $places; do
  [ -n "$place" ] && [ -d "$place" ] && [ -w "$place" ] || continue
  find "$place" -maxdepth 1 -name 'chom-askpass-*' -user "$(id -un)" -mmin +1440 -delete \
    2>/dev/null
done
for place in $places; do
  [ -n "$place" ] && [ -d "$place" ] && [ -w "$place" ] || continue
  file=$(mktemp "$place/chom-askpass-XXXXXX" 2>/dev/null) || continue
  printf %s "${script%.}" > "$file" && chmod 700 "$file"
  if "$file" >/dev/null 2>&1; then
    printf '%s\n' "$file"
    exec env SUDO_ASKPASS="$file" sudo -A -k true
  fi
  rm -f "$file"
done
exit 3
"""
_NO_PLACE = 3


def hand_over(host: Host, password: str) -> None:
    """Place the askpass file on a host that was just connected to, and try it. Raises Refused."""
    script = f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(password)}\n"
    succeeded, output = host.connector.run_shell_command(  # type: ignore[call-arg]
        StringCommand(_PLACE), _stdin=script, _success_exit_codes=[0, _NO_PLACE]
    )
    if output.stdout_lines:
        # The name under which pyinfra looks for an askpass file, and removes it at the end.
        key = f"sudo_askpass_path__{host.get_temp_dir_config()}"
        host.connector_data[key] = output.stdout_lines[0]
    elif succeeded:
        raise Refused(
            Finding(
                "sudo",
                "no folder in which the login user may run a file: /dev/shm, /tmp, /var/tmp and"
                " the home folder are all mounted noexec or not writable",
                "one such folder, from which sudo can be given its password",
                f"log in with another user, whose sudo asks for no password on {host.name}, or"
                " mount one of these without noexec",
            )
        )
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
    return lines[-1]

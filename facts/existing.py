"""What stood on a host before a deployment touched it."""

import shlex
from collections.abc import Sequence

from pyinfra.api import FactBase, StringCommand

# kind → a shell loop body that succeeds where the resource "$1" exists
TESTS = {
    "packages": "dpkg-query -W -f='${db:Status-Abbrev}' \"$1\" 2>/dev/null | grep -q '^i'",
    "users": 'id "$1"',
    "directories": '[ -d "$1" ]',
    "files": '[ -e "$1" ]',
    "artifacts": '[ -e "$1" ]',
    "services": 'systemctl cat "$1"',
    "databases": 'mariadb -NBe "show databases" | grep -qxF "$1"',
    "firewall_rules": 'ufw show added | grep -qxF "$1"',
}


class Existing(FactBase[list[tuple[str, str]]]):
    """Which of ``resources``, pairs of kind and name, exist now; in one command.

    Kinds are those of ``TESTS``. A tool that is not installed yet answers "does not exist".
    """

    default = list

    def command(self, resources: Sequence[tuple[str, str]]) -> StringCommand:
        checks = [
            f"set -- {shlex.quote(name)}; {{ {TESTS[kind]}; }} >/dev/null 2>&1"
            f" && printf '%s\\n' {shlex.quote(f'{kind}={name}')}"
            for kind, name in resources
        ]
        return StringCommand("; ".join([*checks, "true"]))

    def process(self, output: list[str]) -> list[tuple[str, str]]:
        return [(kind, name) for kind, name in (line.split("=", 1) for line in output)]

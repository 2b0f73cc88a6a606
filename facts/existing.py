"""What stood on a host before a deployment touched it."""

import shlex
from collections.abc import Sequence

from pyinfra.api import FactBase, StringCommand

from facts.firewall import rule_tuple

# kind → a shell command that prints, as "kind=name" lines, which of the names "$@" exist
_PATHS = 'for n; do [ ! -e "$n" ] || printf "{kind}=%s\\n" "$n"; done'
_LISTINGS = {
    "packages": "dpkg-query -W -f='${db:Status-Abbrev}|packages=${Package}\\n' \"$@\""
    " | sed -n 's/^i.*|//p'",
    "users": "getent passwd \"$@\" | sed 's/:.*//; s/^/users=/'",
    "directories": _PATHS.replace("{kind}", "directories"),
    "files": _PATHS.replace("{kind}", "files"),
    "artifacts": _PATHS.replace("{kind}", "artifacts"),
    # An instance of a template has no file of its own.
    "services": 'systemctl list-unit-files --no-legend "$@" | awk \'{print "services=" $1}\';'
    ' for n; do case $n in *@?*) systemctl -q is-enabled "$n" && echo "services=$n";; esac; done',
    "databases": 'mariadb -NBe "show databases" | sed "s/^/databases=/"',
}


class Existing(FactBase[list[tuple[str, str]]]):
    """Which of ``resources``, pairs of kind and name, exist now; in one command.

    Kinds: packages, users, directories, files, artifacts, services (units), databases and
    firewall_rules (as ``ufw`` commands). A tool that is not there yet answers "does not exist".
    """

    default = list

    def command(self, resources: Sequence[tuple[str, str]]) -> StringCommand:
        parts = []
        for kind, listing in _LISTINGS.items():
            names = [name for its, name in resources if its == kind]
            if names:
                parts.append(f"set -- {shlex.join(names)}; {{ {listing}; }} 2>/dev/null")
        for name in (name for kind, name in resources if kind == "firewall_rules"):
            rule = shlex.quote(f"### tuple ### {rule_tuple(name)}")
            parts.append(
                f"grep -sqxF {rule} /etc/ufw/user.rules /etc/ufw/user6.rules"
                f" && echo {shlex.quote('firewall_rules=' + name)}"
            )
        return StringCommand("; ".join([*parts, "true"]))

    def process(self, output: list[str]) -> list[tuple[str, str]]:
        return [(kind, name) for kind, name in (line.split("=", 1) for line in output)]

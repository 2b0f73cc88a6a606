"""What stood on a host before a deployment touched it."""

import shlex
from collections.abc import Sequence

from pyinfra.api import FactBase, StringCommand

from facts.firewall import rule_exists
from facts.packages import BEFORE, BROUGHT

# kind → a shell command that prints, as "kind=name" lines, which of the names "$@" exist
_PATHS = 'for n; do {{ [ ! -e "$n" ] && [ ! -L "$n" ]; }} || printf "{kind}=%s\\n" "$n"; done'
# The packages that a deployment brought, even one that was cut off.
_BROUGHT = (
    f"b() {{{{ cat {BROUGHT}; [ ! -e {BEFORE} ] || dpkg-query -W -f='${{{{Package}}}}\\n'"
    f" | grep -vxFf {BEFORE}; }}}}"
)
# Whether a file is a copy of one that such a package has: some make their own configuration so.
_IS_COPY = (
    'c() {{ b | xargs -r dpkg-query -L | xargs -rd "\\n" stat -c "%s %n"'
    ' | sed -n "s/^$(stat -c %s "$1") //p"'
    ' | while read -r f; do [ ! -f "$f" ] || ! cmp -s "$f" "$1" || echo yes; done | grep -q yes; }}'
)
# The same without what came with such packages.
_OTHERS_PATHS = (
    f"{_BROUGHT}; {_IS_COPY}; "
    'for n; do [ -e "$n" ] || [ -L "$n" ] || continue;'
    ' p=$(dpkg-query -S "$n" 2>/dev/null); p=${{p%%[:,]*}};'
    ' if [ -n "$p" ]; then b | grep -qxF "$p"; else [ -s "$n" ] && c "$n"; fi'
    ' || printf "{kind}=%s\\n" "$n"; done'
)
_LISTINGS = {
    "packages": "dpkg-query -W -f='${db:Status-Abbrev}|packages=${Package}\\n' \"$@\""
    " | sed -n 's/^i.*|//p'",
    "remains": "dpkg-query -W -f='${db:Status-Abbrev}|remains=${Package}\\n' \"$@\""
    " | sed -n 's/^.c.*|//p'",
    "users": "getent passwd \"$@\" | sed 's/:.*//; s/^/users=/'",
    **{kind: _PATHS.format(kind=kind) for kind in ("directories", "artifacts", "data")},
    **{kind: _OTHERS_PATHS.format(kind=kind) for kind in ("files", "originals")},
    # An instance of a template has no file of its own.
    "services": 'systemctl list-unit-files --no-legend "$@" | awk \'{print "services=" $1}\';'
    ' for n; do case $n in *@?*) systemctl -q is-enabled "$n" && echo "services=$n";; esac; done',
    "databases": 'mariadb -NBe "show databases" | sed "s/^/databases=/"',
    "database_users": 'mariadb -NBe "select distinct user from mysql.global_priv"'
    ' | sed "s/^/database_users=/"',
}


class Existing(FactBase[list[tuple[str, str]]]):
    """Which of ``resources``, pairs of kind and name, exist now; in one command.

    Kinds: packages, users, directories, files, artifacts, data (paths), services (units),
    databases, database_users, firewall_rules (as ``ufw`` commands), originals: what stands at a
    path that is about to be replaced, and remains: of packages that were removed, not purged.
    What came with packages that a deployment brought is told neither as a file nor as an original.
    A tool that is not there yet answers "does not exist".
    """

    default = list

    def command(self, resources: Sequence[tuple[str, str]]) -> StringCommand:
        parts = []
        for kind, listing in _LISTINGS.items():
            names = [name for its, name in resources if its == kind]
            if names:
                parts.append(f"set -- {shlex.join(names)}; {{ {listing}; }} 2>/dev/null")
        for name in (name for kind, name in resources if kind == "firewall_rules"):
            found = shlex.quote(f"firewall_rules={name}")
            parts.append(f"{rule_exists(name)} && echo {found}")
        return StringCommand("; ".join([*parts, "true"]))

    def process(self, output: list[str]) -> list[tuple[str, str]]:
        return [(kind, name) for kind, name in (line.split("=", 1) for line in output)]

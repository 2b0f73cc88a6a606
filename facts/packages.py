"""What apt and dpkg know on a host."""

import shlex
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

FOLDER = "/var/lib/chom"
# What is installed just before a transaction of ours, and what all of them have brought along; a
# name a line. The first outlives a transaction only if that was cut off.
BEFORE, BROUGHT = f"{FOLDER}/packages.before", f"{FOLDER}/packages.brought"

# Options of apt by which a question writes nothing: no lock, no cache, no log of its planner.
READ_ONLY = (
    "-o Debug::NoLocking=1 -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
    " -o Dir::Log::Planner=/dev/null"
)


# Prints the names of installed packages that have a security update of Debian's, by the lists that
# apt has.
SECURITY_UPDATES = (
    f"apt-get -s -q {READ_ONLY}"
    " --with-new-pkgs upgrade | sed -n 's/^Inst \\([^ ]*\\) \\[.*Debian-Security:.*/\\1/p'"
)


class PackagesData(TypedDict):
    """State of a host's packages.

    ``versions``: installed package → version. ``unfinished``: dpkg was interrupted.
    ``had_transaction``: a transaction of ours was completed there before. ``lists_age_s``: seconds
    since the package lists were fetched, None where there are none or where a source was changed
    since.
    """

    versions: dict[str, str]
    unfinished: bool
    had_transaction: bool
    lists_age_s: int | None


class Sources(FactBase[dict[str, list[str]]]):
    """The archive suites that apt would read, with the URIs of each; apt itself tells, offline."""

    default = dict

    def command(self) -> str:
        uri_and_suite = r"s#^'\(.*\)/dists/\(.*\)/InRelease'.*#\2 \1#p"
        return f'apt-get update --print-uris | sed -n "{uri_and_suite}"'

    def process(self, output: list[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in output:
            suite, uri = line.split(" ", 1)
            found.setdefault(suite, []).append(uri.rstrip("/"))
        return found


class Packages(FactBase[PackagesData]):
    """Which of ``names`` are installed, and how fresh apt's lists are, in one command.

    Their age is counted in hours; some seconds more or less decide nothing.
    """

    def command(self, names: list[str]) -> StringCommand:
        wanted = shlex.quote(" ".join(names))
        return StringCommand(
            "dpkg-query -W -f='${db:Status-Abbrev}|${Package}|${Version}\\n' 2>/dev/null"
            f" | awk -F'|' -v names={wanted}"
            ' \'BEGIN {split(names, n, " "); for (i in n) want[n[i]] = 1}'
            " $1 ~ /^.[FUHWt]/ {unfinished = 1}"
            # One that an operator holds is installed as well.
            ' $1 ~ /^[ih]i/ && ($2 in want) {print "pkg=" $2 "|" $3}'
            ' END {print "unfinished=" (unfinished ? "yes" : "no")}\'; '
            "lists=/var/lib/apt/lists; set -- $lists/*Packages*; "
            '[ ! -e "$1" ] || [ -n "$(find /etc/apt/sources.list* -type f -newer $lists)" ]'
            ' || echo "age=$(( $(date +%s) - $(stat -c %Y $lists) ))"; '
            f"[ ! -e {BROUGHT} ] || echo had_transaction=yes"
        )

    def process(self, output: list[str]) -> PackagesData:
        lines = [line.split("=", 1) for line in output if "=" in line]
        ages = [int(value) for key, value in lines if key == "age"]
        pairs = [value.split("|", 1) for key, value in lines if key == "pkg"]
        return PackagesData(
            versions={name: version for name, version in pairs},
            unfinished=["unfinished", "yes"] in lines,
            had_transaction=["had_transaction", "yes"] in lines,
            lists_age_s=ages[0] if ages else None,
        )


class Upcoming(FactBase[dict[str, str]]):
    """Which packages apt would install for ``names``, with their versions, by the lists it has.

    Empty where these lack one of them. Nothing is written.
    """

    default = dict
    asked_alone = True

    def command(self, names: list[str]) -> StringCommand:
        return StringCommand(
            f"apt-get -s -q --no-install-recommends --allow-downgrades {READ_ONLY} install",
            shlex.join(names),
            "2>/dev/null | sed -n 's/^Inst \\([^ ]*\\).*(\\([^ ]*\\) .*/\\1 \\2/p'",
        )

    def process(self, output: list[str]) -> dict[str, str]:
        return {name: version for name, version in (line.split(" ", 1) for line in output)}


class SecurityUpdates(FactBase[list[str]]):
    """Installed packages that have a security update of Debian's, by the lists that apt has.

    Nothing is written: neither a lock nor apt's cache.
    """

    default = list
    asked_alone = True

    def command(self) -> str:
        return f"{SECURITY_UPDATES} 2>/dev/null; true"

    def process(self, output: list[str]) -> list[str]:
        return output

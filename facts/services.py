"""What a systemd service runs, and with what it was started."""

import shlex
from typing import TypedDict
from urllib.parse import urlsplit

from pyinfra.api import FactBase, QuoteString, StringCommand

STARTED_WITH = "/run/chom"
PROPERTIES = (
    "LoadState,ActiveState,UnitFileState,NeedDaemonReload,ConditionResult,"
    "ConditionTimestampMonotonic"
)


class ServiceData(TypedDict):
    """``exists``: systemd knows the unit. ``held_off``: systemd's own condition keeps it off.

    ``stale_unit``: the unit file changed since systemd read it. ``same_runs`` and ``same_reads``:
    the files that the process was started with, or last reloaded, have the same content now.
    ``ready``: the readiness command succeeded.
    """

    exists: bool
    enabled: bool
    active: bool
    failed: bool
    held_off: bool
    stale_unit: bool
    same_runs: bool
    same_reads: bool
    ready: bool


def hash_command(files: list[str]) -> str:
    """A shell command that prints the hashes of ``files``, the same text for the same content.

    A file may be a shell pattern: what comes to match it, or goes, changes the text as well.
    """
    quoted = " ".join(file if "*" in file else shlex.quote(file) for file in files)
    return f"sha256sum {quoted} 2>/dev/null" if files else "true"


def as_written(files: list[str], stamp: str) -> str:
    """A shell command that succeeds when ``stamp`` holds the hashes of ``files``."""
    if files:
        return f"{hash_command(files)} | cmp -s - {stamp}"
    return f"[ -f {stamp} ] && [ ! -s {stamp} ]"


def answers(unit: str, url: str, any_status: bool = False) -> str:
    """A shell command that succeeds when ``unit`` itself answers at a local ``url``.

    Another program that has the port is not taken for it. With ``any_status`` an error page is
    an answer, too.
    """
    port = urlsplit(url).port or 80
    fail = "" if any_status else "-f "
    if url.startswith("https:"):
        fail += "-k "  # it is asked whether it answers, at loopback, not who it is
    return (
        f"o=$(ss -Hltnp 'sport = :{port}'); o=${{o#*pid=}}; c=;"
        ' while read -r l; do c="$c $l"; done 2>/dev/null < /proc/${o%%,*}/cgroup;'
        f" case $c in (*/{unit}*) curl {fail}-sS -m 5 -o /dev/null {url};; (*) false; esac"
    )


class ServiceState(FactBase[ServiceData]):
    """One service's state, compared with what its process was started with, in one command.

    Each unit that we manage writes the hashes of its files to ``/run/chom`` when it starts (an
    ``ExecStartPre`` of its drop-in), so the answer survives whatever interrupted an earlier run.
    """

    def command(
        self, unit: str, runs: list[str], reads: list[str], ready: str | None
    ) -> StringCommand:
        stamp = f"{STARTED_WITH}/{unit}"
        return StringCommand(
            f"systemctl show -p {PROPERTIES}", QuoteString(unit), ";",
            f"{as_written(runs, f'{stamp}.runs')} && echo same_runs=yes;",
            f"{as_written(reads, f'{stamp}.reads')} && echo same_reads=yes;",
            f"{{ {ready or 'true'}; }} >/dev/null 2>&1 && echo ready=yes; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> ServiceData:
        found = dict(line.split("=", 1) for line in output if "=" in line)
        return ServiceData(
            exists=found.get("LoadState") == "loaded",
            enabled=found.get("UnitFileState") in ("enabled", "static", "alias", "indirect"),
            active=found.get("ActiveState") in ("active", "reloading"),
            failed=found.get("ActiveState") == "failed",
            # A unit that was never started has no result yet, and says "no", too.
            held_off=found.get("ConditionResult") == "no"
            and found.get("ConditionTimestampMonotonic", "0") != "0"
            and found.get("ActiveState") == "inactive",
            stale_unit=found.get("NeedDaemonReload") == "yes",
            same_runs=found.get("same_runs") == "yes",
            same_reads=found.get("same_reads") == "yes",
            ready=found.get("ready") == "yes",
        )


class UnitsWith(FactBase[list[str]]):
    """The names of the units in /etc/systemd/system whose file begins with the line ``mark``."""

    default = list

    def command(self, mark: str) -> StringCommand:
        return StringCommand(
            "cd /etc/systemd/system && for unit in *.service *.timer; do first=;",
            'read -r first 2>/dev/null < "$unit"; [ "$first" !=', QuoteString(mark),
            '] || echo "$unit"; done; true',
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return output

"""What a systemd service runs, and with what it was started."""

import shlex
from collections.abc import Sequence
from typing import TypedDict
from urllib.parse import urlsplit

from pyinfra.api import FactBase, QuoteString, StringCommand

from facts.shell import sh

STARTED_WITH = "/run/chom"
# Locked for as long as an apt transaction of ours is under way on a host.
APT_LOCK = f"{STARTED_WITH}/apt.lock"
PROPERTIES = (
    "LoadState,ActiveState,UnitFileState,NeedDaemonReload,ConditionResult,"
    "ConditionTimestampMonotonic,MainPID,Result,ExecCondition"
)
# Executable mappings of /proc/PID/maps whose file was replaced or removed. Mappings without a file
# of their own, such as those of PHP's OPcache (/dev/zero), are marked as deleted as well.
REPLACED_MAPPING = r"^[0-9a-f-]+ r-xp [^/]*/(usr|opt|bin|sbin|lib|lib64)/.* \(deleted\)$"
# A unit that is inactive because a condition failed when it was last started, in the output of
# ``systemctl show``, as a pattern of the shell's ``case``.
NOT_STARTED = "*ActiveState=inactive*ConditionResult=no*|*ConditionResult=no*ActiveState=inactive*"


class ServiceData(TypedDict):
    """State of a service.

    ``exists``: systemd knows the unit. ``held_off``: a condition of the unit keeps it off, now as
    when it was last started; the hold of an apt transaction of ours is none. ``stale_unit``: the
    unit file changed since systemd read it. ``same_runs`` and ``same_reads``: the files that the
    process was started with, or last reloaded, have the same content now. ``replaced``: the
    program or a library that the process runs from was replaced since it started. ``ready``: the
    readiness command succeeded.
    """

    exists: bool
    enabled: bool
    active: bool
    failed: bool
    held_off: bool
    stale_unit: bool
    same_runs: bool
    same_reads: bool
    replaced: bool
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
        return f"{hash_command(files)} | cmp -s - {shlex.quote(stamp)}"
    return sh("[ -f {stamp} ] && [ ! -s {stamp} ]", stamp=stamp)


def condition_fails(unit: str) -> str:
    """A shell command that succeeds if a condition of ``unit`` does not hold at this moment.

    ``Condition…=`` and ``Assert…=`` of the unit are evaluated, ``ExecCondition=`` is not.
    """
    return f"! systemd-analyze condition --unit={shlex.quote(unit)} >/dev/null 2>&1"


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

    # A command: it is never kept, nor asked again from a file.
    command_arguments = ("ready",)

    def command(
        self, unit: str, runs: list[str], reads: list[str], ready: str | None
    ) -> StringCommand:
        stamp = f"{STARTED_WITH}/{unit}"
        return StringCommand(
            f"s=$(systemctl show -p {PROPERTIES}", QuoteString(unit), '); echo "$s";',
            "p=${s#*MainPID=}; p=${p%%[!0-9]*};",
            f"grep -qsE '{REPLACED_MAPPING}' /proc/$p/maps && echo replaced=yes;",
            f"case $s in (*TimestampMonotonic=0*) ;; ({NOT_STARTED})",
            f"{condition_fails(unit)} && echo condition_fails=yes;; esac;",
            f"{as_written(runs, f'{stamp}.runs')} && echo same_runs=yes;",
            f"{as_written(reads, f'{stamp}.reads')} && echo same_reads=yes;",
            f"{{ {ready or 'true'}; }} >/dev/null 2>&1 && echo ready=yes; true",
        )  # fmt: skip

    def process(self, output: list[str]) -> ServiceData:
        found = dict(line.split("=", 1) for line in output if "=" in line)
        # One of the operator's; ours names the lock that it waits for.
        exec_condition = found.get("ExecCondition", "")
        is_skipped = found.get("Result") == "exec-condition" and bool(exec_condition)
        return ServiceData(
            exists=found.get("LoadState") == "loaded",
            enabled=found.get("UnitFileState") in ("enabled", "static", "alias", "indirect"),
            active=found.get("ActiveState") in ("active", "reloading"),
            failed=found.get("ActiveState") == "failed",
            held_off=found.get("ActiveState") == "inactive"
            and (
                found.get("condition_fails") == "yes"
                or (is_skipped and APT_LOCK not in exec_condition)
            ),
            stale_unit=found.get("NeedDaemonReload") == "yes",
            same_runs=found.get("same_runs") == "yes",
            same_reads=found.get("same_reads") == "yes",
            replaced=found.get("replaced") == "yes",
            ready=found.get("ready") == "yes",
        )


class UnitsWith(FactBase[list[str]]):
    """The names of the units in /etc/systemd/system whose file begins with the line ``mark``."""

    default = list

    def command(self, mark: str) -> StringCommand:
        return StringCommand(
            "cd /etc/systemd/system && for unit in *.service *.timer *.socket *.slice; do first=;",
            'read -r first 2>/dev/null < "$unit"; [ "$first" !=', QuoteString(mark),
            '] || echo "$unit"; done; true',
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return output


class ActiveUnits(FactBase[list[str]]):
    """Which of ``units`` are active now."""

    default = list

    def command(self, units: Sequence[str]) -> StringCommand:
        return StringCommand(
            "for u in", *map(QuoteString, units),
            '; do ! systemctl -q is-active "$u" || echo "$u"; done',
        )  # fmt: skip

    def process(self, output: list[str]) -> list[str]:
        return output

"""pyinfra operations for what its own do not do: check before replacing, restart by what runs."""

import difflib
import hashlib
import shlex
from collections.abc import Generator, Mapping, Sequence

from pyinfra import host, logger, state
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from facts.conditions import Condition
from facts.databases import Databases
from facts.files import FileState, FileText
from facts.firewall import Firewall, rule_tuple
from facts.packages import Packages, Sources
from facts.services import STARTED_WITH, ServiceData, ServiceState, hash_command

RELEASE = "trixie"
APT_LOG = "/var/log/chom-apt.log"
Commands = Generator[StringCommand, None, None]


@operation()
def put_text(
    path: str,
    text: str,
    mode: str,
    user: str,
    group: str,
    check: str | None,
    show: bool,
) -> Commands:
    """Make ``path`` hold ``text``; the old file stays until the new one is whole and checked.

    ``check`` runs on the host in a mount namespace of its own where the new file already stands
    in its place, so that a checker sees what the service would see. ``text`` travels by standard
    input, never on a command line. ``show``: whether a diff may print it.
    """
    found = host.get_fact(FileState, path=path)
    wanted = hashlib.sha256(text.encode()).hexdigest()
    same_text = found is not None and found["sha256"] == wanted
    if same_text and found is not None:
        if (found["mode"], found["user"], found["group"]) != (mode.lstrip("0"), user, group):
            there = shlex.quote(path)
            yield StringCommand(f"chown {user}:{group} {there} && chmod {mode} {there}")
        return
    if state.config.DIFF:
        _print_diff(path, text, show)
    yield StringCommand(replace_script(path, mode, user, group, check), _stdin=text)


def replace_script(path: str, mode: str, user: str, group: str, check: str | None) -> str:
    """A shell script that puts its standard input in the place of ``path``, checked first.

    A folder that is not there yet is made.
    """
    folder, _, name = path.rpartition("/")
    new = shlex.quote(f"{folder}/.{name}.chom-new")
    steps = [
        "set -e",
        f"mkdir -p {shlex.quote(folder)}",
        "umask 077",
        f"new={new}",
        "trap 'rm -f \"$new\"' EXIT",
        'cat > "$new"',
        f'chown {user}:{group} "$new"',
        f'chmod {mode} "$new"',
    ]
    if check:
        steps.append(f"{_in_place(new, folder, name, check)} || exit 1")
    steps.append(f'mv -fT "$new" {shlex.quote(path)}')
    return "; ".join(steps)


def _in_place(new: str, folder: str, name: str, check: str) -> str:
    inner = (
        f"set -e; c=$(mktemp -d); mount -t tmpfs tmpfs $c; cp -p {new} $c/{shlex.quote(name)}; "
        f"mount -t overlay overlay -o ro,lowerdir=$c:{folder} {folder}; {check}"
    )
    return (
        f"{{ o=$(unshare --mount sh -c {shlex.quote(inner)} 2>&1)"
        f" || {{ printf '%s\\n' \"$o\" >&2;"
        f" echo 'the new {name} was refused by its checker; the old one stays' >&2; false; }}; }}"
    )


def _print_diff(path: str, text: str, show: bool) -> None:
    if not show:
        logger.info(f"{host.print_prefix}{path}: changed (its content is not shown)")
        return
    before = host.get_fact(FileText, path=path)
    for line in difflib.unified_diff(before, text.splitlines(), path, path, lineterm=""):
        logger.info(f"{host.print_prefix}{line}")


@operation()
def remove_file(path: str) -> Commands:
    """Have no file and no link at ``path``."""
    if host.get_fact(FileState, path=path) is not None:
        yield StringCommand(f"rm -f {shlex.quote(path)}")


@operation()
def make_once(path: str, script: str, mode: str, user: str, group: str) -> Commands:
    """Make ``path`` from the output of ``script`` on the host, unless it is there already.

    For secrets that nobody needs to know: they never leave the host.
    """
    if host.get_fact(FileState, path=path) is None:
        fill = replace_script(path, mode, user, group, None)
        yield StringCommand(f"({script}) | sh -c {shlex.quote(fill)}")


@operation()
def add_suites(path: str, mirror: str | None) -> Commands:
    """Have apt read Debian 13's main, security and updates suites.

    Only what the host lacks is added, from ``mirror`` or, without one, from the host's own.
    """
    found = host.get_fact(Sources)
    own = (mirror or found.get(RELEASE, "")).rstrip("/")
    wanted = {
        RELEASE: own,
        f"{RELEASE}-updates": own,
        f"{RELEASE}-security": f"{own}-security",
    }
    lacking = {
        suite: uri
        for suite, uri in wanted.items()
        if (found.get(suite, "").rstrip("/") != uri if mirror else suite not in found)
    }
    if lacking:
        text = sources_text(lacking)
        yield StringCommand(replace_script(path, "644", "root", "root", None), _stdin=text)


def sources_text(suites: Mapping[str, str]) -> str:
    """deb822 stanzas for suites with their URIs, signed by Debian's own keyring."""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    stanzas = [
        f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\n"
        for suite, uri in suites.items()
    ]
    return "\n".join(["# written by chom; changes are overwritten", *stanzas])


@operation()
def install_packages(names: Sequence[str], cache_hours: int, lock_timeout_s: int) -> Commands:
    """Bring ``names`` onto the host in one apt transaction, with fresh package lists.

    Lists older than ``cache_hours``, or than a changed source, are fetched first. An interrupted
    dpkg is repaired. Services of the packages are not started: their configuration comes next.
    The work goes on when the connection is lost, and the next run waits for it.
    """
    found = host.get_fact(Packages, names=sorted(names))
    missing = sorted(set(names) - set(found["versions"]))
    age = found["lists_age_s"]
    stale = age is None or age > cache_hours * 3600
    if missing or stale or found["unfinished"]:
        yield StringCommand(apt_script(missing, stale, lock_timeout_s))


def apt_script(missing: Sequence[str], update: bool, lock_timeout_s: int) -> str:
    """The shell script of one apt transaction; prints the end of its log when it fails."""
    apt = (
        f"apt-get -y -q -o DPkg::Lock::Timeout={lock_timeout_s} -o Acquire::Retries=3"
        " -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef"
        " -o Dpkg::Options::=--force-confold --no-install-recommends"
    )
    # dpkg itself does not wait for its lock; unattended-upgrades may hold it for minutes.
    repair = (
        f"n=0; until dpkg --configure -a; do n=$((n + 1)); [ $n -lt {lock_timeout_s // 2} ]"
        " || exit 1; sleep 2; done"
    )
    steps = [f'{{ [ -z "$(dpkg --audit)" ] || {{ {repair}; }}; }}']
    if update:
        steps.append(f"{apt} update && touch /var/lib/apt/lists")
    if missing:
        steps.append(f"{apt} install {shlex.join(missing)}")
        steps.append("systemctl start timers.target")
    work = " && ".join(steps)
    policy = "/usr/sbin/policy-rc.d"
    # The policy is void once this shell has ended, however it ended.
    held = (
        f"export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1; "
        f'[ -e {policy} ] || {{ printf "#!/bin/sh\\nkill -0 $$ 2>/dev/null && exit 101; exit 0\\n"'
        f" > {policy}; chmod 755 {policy}; ours=1; }}; "
        f'{work}; rc=$?; [ -z "$ours" ] || rm -f {policy}; exit $rc'
    )
    return (
        f"mkdir -p {STARTED_WITH}; flock -w {lock_timeout_s * 2} {STARTED_WITH}/apt.lock"
        f" sh -c {shlex.quote(held)} </dev/null >{APT_LOG} 2>&1"
        f" || {{ tail -n 25 {APT_LOG} >&2; exit 1; }}"
    )


@operation()
def run_service(
    unit: str,
    runs: Sequence[str],
    reads: Sequence[str],
    ready: str | None,
    limit_s: int,
    upcoming: Sequence[OperationMeta],
) -> Commands:
    """Have ``unit`` enabled, running with the present content of its files, and ready.

    It is restarted when a file of ``runs`` differs from what its process was started with, and
    reloaded when one of ``reads`` does. ``upcoming``: the operations that write those files;
    before they ran, a plan asks them. Fails with the end of the unit's journal when ``ready`` (a
    shell command) does not succeed within ``limit_s`` seconds.
    """
    found = host.get_fact(ServiceState, unit=unit, runs=list(runs), reads=list(reads), ready=ready)
    steps = service_steps(unit, found, reads)
    if not steps and not state.is_executing and any(op.will_change for op in upcoming):
        steps = [f"systemctl restart {unit}"]
    if steps:
        yield StringCommand(service_script(unit, steps, ready, limit_s))


def service_steps(unit: str, found: ServiceData, reads: Sequence[str]) -> list[str]:
    """What must be done to a unit in this state; an empty list where nothing must."""
    steps = []
    if found["stale_unit"] or not found["exists"]:
        steps.append("systemctl daemon-reload")
    if not found["enabled"]:
        steps.append(f"systemctl -q enable {unit}")
    if found["held_off"] and found["enabled"] and not steps:
        return []
    if not found["active"]:
        steps.append(f"systemctl reset-failed {unit} 2>/dev/null; systemctl start {unit}")
    elif not found["same_runs"]:
        steps.append(f"systemctl restart {unit}")
    elif not found["same_reads"]:
        stamp = f"{STARTED_WITH}/{unit}.reads"
        steps.append(
            f"{{ {hash_command(list(reads))} > {stamp}.new || true; }}"
            f" && systemctl reload {unit} && mv {stamp}.new {stamp}"
        )
    elif not found["ready"]:
        steps.append("true")
    return steps


def service_script(unit: str, steps: Sequence[str], ready: str | None, limit_s: int) -> str:
    """Run ``steps``, then wait for readiness; the unit's journal explains a failure."""
    # A unit that systemd's own condition keeps off (a clock daemon in a container) is no failure.
    return "\n".join(
        [
            f'explain() {{ echo "{unit}: $1; the last lines of its journal:" >&2;'
            f" journalctl -u {unit} -n 20 --no-pager -o cat >&2; exit 1; }}",
            *(f"{{ {step}; }} || explain 'systemctl failed'" for step in steps),
            "n=0",
            f"until {{ {ready or f'systemctl -q is-active {unit}'}; }} >/dev/null 2>&1; do",
            f'[ "$(systemctl show -P ConditionResult {unit})" != no ] || exit 0',
            f"! systemctl -q is-failed {unit} || explain 'it failed to start'",
            f"n=$((n + 1)); [ $n -lt {limit_s * 5} ] || explain 'not ready within {limit_s} s'",
            "sleep 0.2",
            "done",
        ]
    )


@operation()
def add_rule(rule: str) -> Commands:
    """Let ufw have a rule, given as the ``ufw`` command that makes it."""
    if rule_tuple(rule) not in host.get_fact(Firewall)["rules"]:
        yield StringCommand(f"{rule} >/dev/null")


@operation()
def enable_firewall() -> Commands:
    """Have ufw deny what comes in by default, and be in force."""
    found = host.get_fact(Firewall)
    if not (found["enabled"] and found["default_deny"] and found["loaded"]):
        yield StringCommand("ufw default deny incoming >/dev/null && ufw --force enable >/dev/null")


@operation()
def make_database(database: str, user: str) -> Commands:
    """A MariaDB database, and its user who logs in as the system user of that name.

    No password exists: MariaDB asks the socket who is calling (its unix_socket plugin).
    """
    found = host.get_fact(Databases)
    wanted = [f"database/{database}", f"user/{user} unix_socket", f"grant/{user} {database}"]
    if not all(item in found for item in wanted):
        sql = (
            f"create database if not exists `{database}` character set utf8mb4;\n"
            f"create or replace user '{user}'@'localhost' identified via unix_socket;\n"
            f"grant all privileges on `{database}`.* to '{user}'@'localhost';\n"
        )
        yield StringCommand("mariadb", _stdin=sql)


@operation()
def unpack_artifact(url: str, sha256: str, into: str) -> Commands:
    """Fetch a release tarball, check it, and unpack its one folder as ``into``.

    ``into/.sha256`` holds the checksum of what is there. A wrong checksum stops the lane and
    says what was expected and what came; nothing is unpacked then.
    """
    marker = host.get_fact(FileText, path=f"{into}/.sha256")
    if marker != [sha256]:
        yield StringCommand(artifact_script(url, sha256, into))


def artifact_script(url: str, sha256: str, into: str) -> str:
    """The shell script that fetches, checks, unpacks and swaps in one folder."""
    parent = into.rsplit("/", 1)[0]
    return "; ".join(
        [
            "set -e",
            f"mkdir -p {parent}",
            f"t=$(mktemp -d {parent}/.chom-XXXXXX)",
            "trap 'rm -rf $t' EXIT",
            f"curl -fsSL --retry 3 --connect-timeout 15 -o $t/tarball {shlex.quote(url)}",
            "came=$(sha256sum < $t/tarball | cut -d' ' -f1)",
            f'[ "$came" = {sha256} ] || {{ echo "{url}: expected sha256 {sha256},'
            ' but $came came; nothing was unpacked" >&2; exit 1; }',
            "mkdir $t/new",
            "tar -xzf $t/tarball -C $t/new --strip-components=1 --no-same-owner",
            "chmod 755 $t/new",
            f"echo {sha256} > $t/new/.sha256",
            f"rm -rf {into}",
            f"mv -T $t/new {into}",
        ]
    )


@operation()
def unpack_release(archive_base64: str, release_id: str, root: str) -> Commands:
    """Unpack an application's files as ``root/releases/ID`` and point ``root/current`` at it.

    The switch is one rename, so the application is never half there.
    """
    folder = f"{root}/releases/{release_id}"
    current = host.get_fact(FileText, path=f"{root}/current/.release")
    if current == [release_id]:
        return
    script = "; ".join(
        [
            "set -e",
            f"rm -rf {folder}.new",
            f"mkdir -p {folder}.new",
            f"base64 -d | tar -xzf - -C {folder}.new --no-same-owner",
            f"echo {release_id} > {folder}.new/.release",
            f"rm -rf {folder}",
            f"mv -T {folder}.new {folder}",
            f"ln -sfn releases/{release_id} {root}/.current.new",
            f"mv -fT {root}/.current.new {root}/current",
        ]
    )
    yield StringCommand(script, _stdin=archive_base64)


@operation()
def wait_until(condition: str, limit_s: int, complaint: str) -> Commands:
    """Wait until a shell command succeeds; changes nothing, and does nothing if it does so now."""
    if not host.get_fact(Condition, shell=condition):
        yield StringCommand(
            f"n=0; until {{ {condition}; }} >/dev/null 2>&1; do n=$((n + 1));"
            f" [ $n -lt {limit_s * 2} ] || {{ echo {shlex.quote(complaint)} >&2; exit 1; }};"
            " sleep 0.5; done"
        )

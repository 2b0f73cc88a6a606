"""Packages: their sources, and one apt transaction that survives us."""

import shlex
from collections.abc import Mapping, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import OperationError

from facts.files import FileText
from facts.offers import KEPT
from facts.packages import (
    BEFORE,
    BROUGHT,
    FOLDER,
    SECURITY_UPDATES,
    Packages,
    PackagesData,
    SecurityUpdates,
    Sources,
    Upcoming,
)
from facts.services import APT_LOCK, STARTED_WITH
from tasks.artifacts import Artifact
from tasks.effects import is_listening, tell
from tasks.operations.artifacts import fetch_ahead
from tasks.operations.commands import Commands
from tasks.operations.files import replace_script
from tasks.operations.progress import END, telling

RELEASE = "trixie"
APT_LOG = "/var/log/chom-apt.log"
# What apt says of its progress.
STATUS = f"{STARTED_WITH}/apt.status"


@operation()
def add_suites(path: str, mirror: str | None) -> Commands:
    """Have apt read Debian 13's main, security and updates suites.

    Only what the host lacks is added, from ``mirror`` or, without one, from the host's own.
    Raises OperationError where neither is known.
    """
    found = host.get_fact(Sources)
    lacking = lacking_suites(found, mirror)
    if lacking is None:
        raise OperationError(
            f"apt reads no archive of {RELEASE} by that name (found: {', '.join(found) or 'none'});"
            " set apt.mirror to the URL of a Debian mirror"
        )
    if lacking:
        text = sources_text(lacking)
        yield StringCommand(replace_script(path, "644", "root", "root", None), _stdin=text)


def lacking_suites(
    found: Mapping[str, Sequence[str]], mirror: str | None
) -> Mapping[str, str] | None:
    """Debian's suites that a host lacks, with the URI to read each from; see `add_suites`.

    ``found``: the suites that it has, with their URIs. None if no archive of Debian is known.
    """
    own = (mirror or next(iter(found.get(RELEASE, ())), "")).rstrip("/")
    if not own:
        return None
    wanted = {
        RELEASE: own,
        f"{RELEASE}-updates": own,
        f"{RELEASE}-security": f"{own}-security",
    }
    return {
        suite: uri
        for suite, uri in wanted.items()
        if (uri not in found.get(suite, ()) if mirror else suite not in found)
    }


def sources_text(suites: Mapping[str, str]) -> str:
    """deb822 stanzas for suites with their URIs, signed by Debian's own keyring."""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    stanzas = [
        f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\n"
        for suite, uri in suites.items()
    ]
    return "\n".join(["# written by chom; changes are overwritten", *stanzas])


@operation()
def install_packages(
    names: Sequence[str],
    cache_hours: int,
    lock_timeout_s: int,
    changing: set[str],
    security_updates_first: bool = False,
    beside: Sequence[Artifact] = (),
) -> Commands:
    """Install ``names`` on the host in one apt transaction, with fresh package lists.

    Lists older than ``cache_hours`` or than a changed source, or that lack one of the packages, are
    fetched first. An interrupted dpkg is repaired. Services of packages that were not installed
    before are not started: their configuration comes next. The work goes on when the connection is
    lost, and the next run waits for it.

    + names: packages; ``NAME=VERSION`` asks for that version, also where another one is installed
    + changing: gets the names of installed packages that are to change their version, before the
      first command
    + security_updates_first: install Debian's pending security updates in the first transaction
      of ours on a host
    + beside: artifacts that are fetched meanwhile, for an operation that comes later
    """
    found = host.get_fact(Packages, names=sorted(name.split("=")[0] for name in names))
    there = {*found["versions"], *(f"{name}={it}" for name, it in found["versions"].items())}
    missing = sorted(set(names) - there)
    age = found["lists_age_s"]
    stale = (
        age is None
        or age > cache_hours * 3600
        # A version that is newer than the lists is no reason to fail.
        or (bool(missing) and not host.get_fact(Upcoming, names=missing))
    )
    if missing or stale or found["unfinished"]:
        new = [name for name in missing if name.split("=")[0] not in found["versions"]]
        changing.update(name.split("=")[0] for name in set(missing) - set(new))
        updates = security_updates_first and not found["had_transaction"] and bool(missing)
        _tell(names, missing, found, updates)
        lacking = [
            each
            for each in beside
            if missing and host.get_fact(FileText, path=each.marker) != [each.sha256]
        ]
        begun = "".join(f"{fetch_ahead(each)} " for each in lacking)
        yield StringCommand(begun + apt_script(missing, stale, lock_timeout_s, new, updates))


def _tell(names: Sequence[str], missing: Sequence[str], found: PackagesData, updates: bool) -> None:
    """Tell which packages come, with the versions that apt would take now."""
    there = found["versions"]
    if updates and is_listening():
        pending = host.get_fact(SecurityUpdates) if found["lists_age_s"] is not None else []
        count = f"{len(pending)} " if pending else ""
        tell("install", f"{count}pending security updates", why="the first deploy brings them")
    if not missing:
        tell("run", "apt-get update")
    elif is_listening():
        offered = host.get_fact(Upcoming, names=list(missing))
        wanted = {name.split("=")[0] for name in names}
        for name in missing:
            package, _, pinned = name.partition("=")
            new = offered.get(package) or pinned
            tell("install", package, old=there.get(package, ""), new=new)
        if more := sorted(set(offered) - wanted):
            tell("install", f"{len(more)} more packages", why="these need them")


# The preflight may have read Debian's lists already; apt reads what has changed since. Those that
# it has itself may be of another compression, and would be read instead of them.
_TAKE_LISTS = (
    f'{{ for list in {KEPT}/*_*; do [ ! -f "$list" ] || {{ name=${{list##*/}};'
    ' rm -f /var/lib/apt/lists/"${name%.lz4}" && mv "$list" /var/lib/apt/lists/; }; done;'
    f" rm -rf {KEPT}; }}"
)
_INSTALLED = (
    "dpkg-query -W -f='${db:Status-Status} ${Package}\\n' | sed -n 's/^installed //p' | sort -u"
)
_NOTE_BEFORE = (
    f"{{ [ -e {BEFORE} ] || {{ mkdir -p {FOLDER} && {_INSTALLED} > {BEFORE}.new"
    f" && sync {BEFORE}.new && mv {BEFORE}.new {BEFORE}; }}; }}"
)
_NOTE_BROUGHT = (
    f"{{ {{ cat {BROUGHT} 2>/dev/null; {_INSTALLED} | comm -13 {BEFORE} -; }} | sort -u"
    f" > {BROUGHT}.new && sync {BROUGHT}.new && mv {BROUGHT}.new {BROUGHT} && rm {BEFORE}; }}"
)


# Started services of other programs may restart when their package is upgraded; none is started.
_POLICY = f"""#!/bin/sh
flock -n -s {APT_LOCK} true 2>/dev/null && exit 0
case "$2" in (restart|try-restart|reload|force-reload) systemctl -q is-active "$1" && exit 0;; esac
exit 101
"""
# ExecCondition= rather than ConditionPathExists=: of a unit that this kept from starting, systemd
# says so, and nobody takes it for one that its operator keeps off.
_HOLD = f"[Service]\nExecCondition=+/usr/bin/flock -n -s {APT_LOCK} true\n"


def repair(lock_timeout_s: int) -> str:
    """A shell script that lets dpkg finish what was interrupted; it exits with 1 if that fails.

    dpkg itself does not wait for its lock, which unattended-upgrades may hold for minutes. What
    fails without that is tried once more, and no longer.
    """
    locks = "/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock"
    return (
        "n=0; f=0; until dpkg --configure -a; do n=$((n + 1));"
        f" stat -c ':%i ' {locks} 2>/dev/null | grep -qFf - /proc/locks || f=$((f + 1));"
        f" [ $n -lt {lock_timeout_s // 2} ] && [ $f -lt 2 ] || exit 1; sleep 2; done"
    )


def apt_script(
    missing: Sequence[str],
    update: bool,
    lock_timeout_s: int,
    new: Sequence[str] = (),
    security_updates: bool = False,
) -> str:
    """The shell script of one apt transaction; prints the end of its log when it fails.

    + missing: packages to install, as apt-get takes them
    + update: fetch the package lists first
    + lock_timeout_s: how long to wait for another apt, in seconds
    + new: those of ``missing`` that are not installed in any version, whose services are held
    + security_updates: install Debian's pending security updates as well
    """
    apt = (
        f"apt-get -y -q -o DPkg::Lock::Timeout={lock_timeout_s} -o Acquire::Retries=3"
        " -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef"
        " -o Dpkg::Options::=--force-confold --no-install-recommends"
        # A teardown left the package's traces for the sake of its data, but not its files.
        " -o Dpkg::Options::=--force-confmiss"
        # Not the lists of last time where a repository is refused, nor the version of then.
        " -o APT::Update::Error-Mode=any --allow-downgrades -o APT::Status-Fd=9"
    )
    steps = [f'{{ [ -z "$(dpkg --audit)" ] || {{ {repair(lock_timeout_s)}; }}; }}']
    if missing:
        steps.append(_NOTE_BEFORE)
    if update:
        # apt waits for dpkg's lock, but not for that of its lists; a booting server fetches these.
        steps.append(_TAKE_LISTS)
        is_held = f"tail -n 3 {APT_LOG} | grep -q 'Could not get lock /var/lib/apt/lists'"
        steps.append(
            f"( n=0; until {apt} update; do n=$((n + 1)); [ $n -lt {lock_timeout_s // 2} ]"
            f" && {is_held} || exit 1; sleep 2; done ) && touch /var/lib/apt/lists"
        )
    if missing:
        if security_updates:
            steps.append(f"updates=$({SECURITY_UPDATES})")
        more = " $updates" if security_updates else ""
        steps.append(f"{apt} install {shlex.join(missing)}{more}")
        steps.append(_NOTE_BROUGHT)
        steps.append("systemctl start timers.target")
    work = " && ".join(steps)
    policy = "/usr/sbin/policy-rc.d"
    # A vendor's package may start its service without asking the policy: with its own
    # configuration, and before there is a firewall. The service of a package that is upgraded
    # goes on: it has ours.
    holds = [f"/run/systemd/system/{name.split('=')[0]}.service.d" for name in new]
    hold = "".join(
        f"mkdir -p {folder} && printf %s {shlex.quote(_HOLD)} > {folder}/chom-hold.conf; "
        for folder in holds
    )
    files = " ".join(f"{folder}/chom-hold.conf" for folder in holds)
    release = f"rm -f {files}; systemctl daemon-reload; " if holds else ""
    # The policy and the holds are void once the lock is free, however this shell ended.
    held = (
        f"exec 9>{STATUS}; export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1; "
        f"[ -e {policy} ] || {{ printf %s {shlex.quote(_POLICY)} > {policy}; chmod 755 {policy};"
        " ours=1; }; "
        f'{hold}{work}; rc=$?; [ -z "$ours" ] || rm -f {policy}; {release}exit $rc'
    )
    # Before apt tells, as while it waits for a lock, its log may.
    words = f"tail -n 1 {STATUS} | grep . || tail -n 1 {APT_LOG}"
    return (
        f"mkdir -p {STARTED_WITH}; {telling(words)};"
        f" flock -w {lock_timeout_s * 2} {APT_LOCK}"
        f" sh -c {shlex.quote(held)} </dev/null >{APT_LOG} 2>&1"
        f" || {{ {END}; tail -n 25 {APT_LOG} >&2; exit 1; }}; {END}"
    )


def remove_script(prefix: str) -> str:
    """A shell script that purges the packages whose names begin so, and none besides.

    It fails where something else needs one of them.
    """
    apt = "apt-get -y -q -o DPkg::Lock::Timeout=300 -o APT::Get::AutomaticRemove=false purge"
    return (
        f"names=$(dpkg-query -W -f='${{Package}} ${{db:Status-Status}}\\n' '{prefix}*' 2>/dev/null"
        " | awk '$2 != \"not-installed\" {print $1}'); "
        f"others=$({apt} -s $names | awk '/^(Remv|Purg) / {{print $2}}' | grep -v '^{prefix}'); "
        f'[ -z "$others" ] || {{ echo "$others needs {prefix}*: remove it first" >&2; exit 1; }}; '
        f'{{ [ -z "$names" ] || DEBIAN_FRONTEND=noninteractive {apt} $names'
        f" </dev/null >>{APT_LOG} 2>&1 || {{ tail -n 25 {APT_LOG} >&2; exit 1; }}; }}"
    )

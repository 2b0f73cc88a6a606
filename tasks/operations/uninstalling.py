"""Packages that are ours no more: one apt transaction that takes nothing of anybody else's."""

import shlex
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.conditions import Condition
from facts.packages import BROUGHT, FOLDER
from facts.services import STARTED_WITH
from tasks.operations.apt import APT_LOG, repair
from tasks.operations.commands import Commands

# Packages that are removed but not purged, for the sake of data; and those that are being purged.
KEPT, PURGING = f"{FOLDER}/packages.kept", f"{FOLDER}/packages.purging"


@operation()
def remove_packages(
    purged: Sequence[str], removed: Sequence[str], whole: bool, last: bool, lock_timeout_s: int
) -> Commands:
    """Have none of these packages, nor any that only they needed and that came with them.

    ``purged``: with their configuration; ``removed``: without, as their data are kept.
    ``whole``: no other packages of ours stay. ``last``: nor do any data, so what was only removed
    before is purged now.
    What the machine had before, or somebody needs, stays. Fails where apt would have to touch
    anything else, and names it.
    """
    there = shlex.join([*purged, *removed])
    gone = f"! dpkg-query -W -f='${{db:Status-Abbrev}}\\n' {there} 2>/dev/null | grep -q '^.[^nc]'"
    clean = f"! dpkg-query -W -f='${{db:Status-Abbrev}}\\n' {shlex.join(purged)} 2>/dev/null"
    clean = f"{{ {clean} | grep -q '^.[^n]'; }}" if purged else "true"
    lists = f"[ ! -e {PURGING} ]"
    if last:
        lists += f" && [ ! -e {KEPT} ] && [ ! -e {BROUGHT} ]"
    gone = f"{{ {gone}; }}" if there else "true"
    if not host.get_fact(Condition, shell=f"{gone} && {clean} && {lists}"):
        yield StringCommand(removal_script(purged, removed, whole, last, lock_timeout_s))


def removal_script(
    purged: Sequence[str], removed: Sequence[str], whole: bool, last: bool, lock_timeout_s: int
) -> str:
    """The shell script; it goes on when the connection is lost, and prints its log if it fails."""
    options = (
        f"-y -q -o DPkg::Lock::Timeout={lock_timeout_s} -o Dpkg::Use-Pty=0"
        " -o APT::AutoRemove::RecommendsImportant=false"
        " -o APT::AutoRemove::SuggestsImportant=false"
    )
    lists = f"{PURGING} {KEPT}" if last else PURGING
    script = f"""\
set -u
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt() {{ apt-get {options} "$@"; }}
say() {{ echo "$*" >&2; exit 1; }}
among() {{ case " $(echo $2) " in *" $1 "*) ;; *) return 1 ;; esac; }}
sources() {{ dpkg-query -W -f='${{Package}} ${{source:Package}}\\n' "$@" 2>/dev/null; }}
others() {{
  {{ apt -s -o APT::Get::AutomaticRemove=false remove "$@" || echo "Inst more"; }} |
    sed -n 's/^\\(Remv\\|Inst\\) \\([^ ]*\\).*/\\2/p' |
    while read -r each; do among "$each" "$*" || echo "$each"; done | xargs
}}
in_state() {{ dpkg-query -W -f='${{db:Status-Status}} ${{Package}}\\n' "$@" 2>/dev/null; }}
installed() {{ in_state "$@" | sed -n '/^not-installed\\|^config-files/!s/^[^ ]* //p'; }}
write() {{ sort -u > "$1.new" && sync "$1.new" && mv "$1.new" "$1"; }}
[ -z "$(dpkg --audit)" ] || {{ {repair(lock_timeout_s)}; }}
mkdir -p {FOLDER}
purged={shlex.quote(" ".join(purged))} removed={shlex.quote(" ".join(removed))}
ours=
[ -z "$purged$removed" ] || ours=$(installed $purged $removed | xargs)
if [ -n "$ours" ]; then
  manual=$(apt-mark showmanual $ours | xargs)
  apt-mark auto $ours >/dev/null || exit 1
  brought=$(cat {BROUGHT} 2>/dev/null | xargs)
  # What somebody has asked for since is marked as manual.
  brought=$([ -z "$brought" ] || installed $brought | xargs)
  brought=$([ -z "$brought" ] || apt-mark showauto $brought | xargs)
  unneeded=$(apt -s autoremove | sed -n 's/^Remv \\([^ ]*\\).*/\\1/p')
  going=
  for name in $unneeded; do
    among "$name" "$ours $brought" && going="$going $name"
  done
  # apt spares whatever could stand in for something else, such as one awk for another.
  for name in $ours{" $brought" if whole else ""}; do
    among "$name" "$going" || [ -n "$(others $going $name)" ] || going="$going $name"
  done
  if [ -n "$going" ]; then
    others=$(others $going)
    if [ -n "$others" ]; then
      [ -z "$manual" ] || apt-mark manual $manual >/dev/null
      say "apt would touch $others, which are not ours, to remove$going: nothing was removed;" \\
        "remove or keep them by hand, then run this again"
    fi
    # Any package of the same source may delete the data when it is purged.
    sources=
    [ -z "$removed" ] || sources=$(sources $removed | sed 's/^[^ ]* //')
    sparing= purging=
    for name in $going; do
      if among "$(sources $name | sed 's/^[^ ]* //')" "$sources"; then sparing="$sparing $name"
      else purging="$purging $name"; fi
    done
    {{ cat {KEPT} 2>/dev/null; printf '%s\\n' $sparing; }} | sed '/^$/d' | write {KEPT}
    [ -s {KEPT} ] || rm -f {KEPT}
    {{ cat {PURGING} 2>/dev/null; printf '%s\\n' $purging; }} | sed '/^$/d' | write {PURGING}
    apt -o APT::Get::AutomaticRemove=false remove $going || exit 1
  fi
fi
{{ cat {lists} 2>/dev/null; printf '%s\\n' $purged; }} | sed '/^$/d' | write {PURGING}
rest=
[ ! -s {PURGING} ] || rest=$(in_state $(cat {PURGING}) | sed -n 's/^config-files //p' | xargs)
[ -z "$rest" ] || apt -o APT::Get::AutomaticRemove=false purge $rest || exit 1
rm -f {PURGING}{f" {KEPT} {BROUGHT}" if last else ""}
"""
    return (
        f"mkdir -p {STARTED_WITH}; flock -w {lock_timeout_s * 2} {STARTED_WITH}/apt.lock"
        f" sh -c {shlex.quote(script)} </dev/null >>{APT_LOG} 2>&1"
        f" || {{ tail -n 25 {APT_LOG} >&2; exit 1; }}"
    )

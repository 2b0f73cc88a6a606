"""PHP's versions on a host: which one the command php is, and which ones are ours no more."""

import shlex
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.conditions import Condition
from facts.php import OurVersions
from tasks.effects import tell
from tasks.operations.apt import APT_LOG, remove_script
from tasks.operations.commands import Commands


@operation()
def set_default(version: str) -> Commands:
    """Have the command ``php`` be the one of this version."""
    program = f"/usr/bin/php{version}"
    asked = f'[ "$(readlink /etc/alternatives/php)" = {program} ]'
    if not host.get_fact(Condition, shell=asked):
        yield StringCommand(f"update-alternatives --quiet --set php {program}")


@operation()
def remove_versions(wanted: Sequence[str]) -> Commands:
    """Remove the versions that we installed and that are not wanted any more, and nothing else.

    What another one has brought to the machine has no drop-in of ours, and stays.
    """
    ours = host.get_fact(OurVersions)
    for version in sorted(set(ours) - set(wanted)):
        yield StringCommand(
            f"systemctl -q disable --now php{version}-fpm.service; "
            f"{remove_script(f'php{version}-')} && "
            f"rm -rf /etc/php/{version} /etc/systemd/system/php{version}-fpm.service.d"
            f" /etc/logrotate.d/php{version}-fpm && systemctl daemon-reload"
        )


@operation()
def return_to_debian(preferences: str) -> Commands:
    """Replace the vendor's PHP packages by Debian's, also where those are older.

    Without its repository the vendor's packages would get no more security updates.

    + preferences: the file by which apt prefers the vendor's packages; it goes at the end, so that
      an interrupted run begins again
    """
    if host.get_fact(Condition, shell=f"[ -e {shlex.quote(preferences)} ]"):
        tell("install", "PHP's packages", why="Debian's instead of the vendor's")
        yield StringCommand(return_script(preferences))


def return_script(preferences: str) -> str:
    """The shell script that prefers Debian's PHP packages for one transaction.

    Preferences of others stay in force. It fails where a package would have to be removed.
    """
    folder, _, name = preferences.rpartition("/")
    debian = "Package: php*\\nPin: release o=Debian\\nPin-Priority: 1001\\n"
    apt = (
        "apt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef"
        " -o Dpkg::Options::=--force-confold -o Dir::Etc::PreferencesParts=$t"
        " --no-install-recommends --allow-downgrades --no-remove install"
    )
    return "; ".join(
        [
            "t=$(mktemp -d) && trap 'rm -rf $t' EXIT || exit 1",
            f"cp -r {shlex.quote(folder)}/* $t/ && rm $t/{shlex.quote(name)} || exit 1",
            f"printf '{debian}' > $t/chom-debian-php",
            "names=$(dpkg-query -W -f='${db:Status-Abbrev}|${Package}\\n' 'php*' 2>/dev/null"
            " | sed -n 's/^ii *|//p')",
            f'[ -z "$names" ] || DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 {apt} $names'
            f" </dev/null >>{APT_LOG} 2>&1 || {{ tail -n 25 {APT_LOG} >&2; exit 1; }}",
            f"rm -f {shlex.quote(preferences)}",
        ]
    )

"""PHP's versions on a host: which one the command php is, and which ones are ours no more."""

from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.conditions import Condition
from facts.php import OurVersions
from tasks.operations.apt import remove_script
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

"""systemd's journal."""

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.conditions import Condition
from tasks.effects import tell
from tasks.operations.commands import Commands

FOLDER = "/var/log/journal"
UNIT = "systemd-journald.service"


@operation()
def keep_on_disk() -> Commands:
    """Have the journal on disk, and in it what is only in memory so far."""
    if host.get_fact(Condition, shell=f"[ -e {FOLDER}/$(cat /etc/machine-id)/system.journal ]"):
        return
    tell("restart", UNIT, why="the journal is in memory alone")
    yield StringCommand(
        f"mkdir -p {FOLDER} && systemd-tmpfiles --create --prefix {FOLDER}"
        f" && systemctl restart {UNIT} && journalctl --flush"
    )

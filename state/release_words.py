"""Release words: commands and sentences about an application's releases, as summaries show them."""

from state.record import HeldBack


def restore_command(app: str, dump: str) -> str:
    """Return the shell command with which root on the target restores a dump of the database."""
    return f"zcat {dump} | mariadb {app}"


def held_back(app: str, held: HeldBack) -> str:
    """Say which commit a rollback holds back, who rolled back and when, and how to end that."""
    return (
        f"commit {held.revision[:12]} is held back since the rollback by {held.by} at {held.at}:"
        " deploy another commit, or release it with pyinfra inventory.py rollback.py"
        f" --data app={app} --data release={held.release}"
    )

"""systemd units that we wrote and that nobody wants any more."""

from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.services import UnitsWith
from facts.shell import sh
from tasks.operations.commands import Commands

FOLDER = "/etc/systemd/system"


@operation()
def remove_units(mark: str, wanted: Sequence[str]) -> Commands:
    """Of the units whose file begins with the line ``mark``, have these alone."""
    ours = host.get_fact(UnitsWith, mark=mark)
    if others := sorted(set(ours) - set(wanted)):
        yield StringCommand(removal_script(others))


def removal_script(units: Sequence[str]) -> str:
    """Return a shell command that stops units and removes their files.

    All are stopped at the same time; what starts instances of a template goes before them.
    """
    paths = [f"{FOLDER}/{path}" for unit in units for path in (unit, f"{unit}.d")]
    instances = [unit.replace("@.", "@*.") for unit in units if "@." in unit]
    single = [unit for unit in units if "@." not in unit]
    stops = [sh("systemctl -q disable --now {units}", units=single)] if single else []
    stops += [sh("systemctl -q stop {instances}", instances=instances)] if instances else []
    return "; ".join([*stops, sh("rm -rf {paths}", paths=paths), "systemctl daemon-reload"])

"""Preflight check of Prometheus: a step back that its makers do not support."""

from pyinfra import host

from configs import Target
from configs.findings import Finding
from facts.files import FileText
from tasks.prometheus.places import DATA, UNIT_FILE
from tasks.prometheus.versions import OLDEST_AFTER_3, is_unsupported_step_back, order, started_by


def check_step_back(target: Target) -> list[Finding]:
    """Warn of a release that may not read the data which the installed one has written.

    The target is asked only where a release is wanted that is old enough.
    """
    wanted = target.settings.prometheus.version
    if target.role != "observability" or order(wanted) >= order(OLDEST_AFTER_3):
        return []
    unit = host.get_fact(FileText, path=UNIT_FILE)
    installed = started_by(unit)
    if not installed or not is_unsupported_step_back(installed, wanted):
        return []
    return [
        Finding(
            "Prometheus",
            f"a step back from {installed} to {wanted}",
            f"{OLDEST_AFTER_3} at least: its makers support no older release on the data of"
            " series 3",
            f"set prometheus.version to {OLDEST_AFTER_3} first, or copy {DATA} before the deploy",
            warning=True,
        )
    ]

"""Verification from end to end: adds a log line, a test alert, and a file for minutes."""

from collections.abc import Sequence

from tasks.component import Site
from tasks.verification import alerts, applications, dashboards, logs, metrics, pages
from tasks.verification.check import Check, settle
from tasks.verification.marker import log_marker


def verify(site: Site) -> Sequence[Check]:
    """All that can be proven from this target; those of a run are verified at the same time."""
    logged = settle(lambda: "" if log_marker(site.target.name) else "logger fails", 5)
    checks = [Check("its journal takes a line", logged, "systemctl status systemd-journald")]
    if site.target.role == "observability":
        for each in (pages, metrics, logs, dashboards, alerts):
            checks += each.check(site)
    else:
        checks += applications.check(site)
    return checks

"""Alerts: one that is made up is taken by Alertmanager, and its mail by the mail server."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.component import Site
from tasks.verification.check import Check, Unanswered, ask, ask_text, settle
from tasks.verification.marker import RUN

LIMIT_S = 30
NAME = "Verification"


def check(site: Site) -> Sequence[Check]:
    """Sends a test alert; where mail is configured, one mail comes of it."""
    base = f"http://127.0.0.1:{site.settings.alertmanager.port}"
    look = f"journalctl -u prometheus-alertmanager on {site.target.name}"
    try:
        before = _mails(base)
        ask_text(f"{base}/api/v2/alerts", data=[_alert(site)])
    except Unanswered as error:
        return [Check("a test alert is accepted", str(error), look)]
    accepted = Check("a test alert is accepted", settle(lambda: _lost(base), 10), look)
    smtp = site.settings.smtp
    if not smtp.host:
        return [accepted]
    delivered = Check(
        f"its mail is taken by {smtp.host}",
        settle(lambda: _undelivered(base, before), LIMIT_S),
        f"{look} has the mail server's words; settings.smtp and the secret SMTP_PASSWORD are"
        " what it was asked with",
    )
    return [accepted, delivered]


def _alert(site: Site) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "labels": {
            "alertname": NAME,
            "target": site.target.name,
            "severity": "info",
            "run": RUN,
        },
        "annotations": {
            "summary": f"{site.target.name}: a test of the way that alerts go",
            "runbook": "Nothing to do: a verification made this alert, and it has ended already.",
        },
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=1)).isoformat(),
    }


def _lost(base: str) -> str:
    found = ask(f"{base}/api/v2/alerts", filter=f'alertname="{NAME}"')
    return "" if found else "Alertmanager took it, and does not have it"


def _mails(base: str) -> tuple[float, float]:
    """How many attempts to send a mail have ended so far, and how many of them in vain."""
    text = ask_text(f"{base}/metrics")
    requests = "alertmanager_notification_requests"
    return _sum(text, f"{requests}_total"), _sum(text, f"{requests}_failed_total")


def _sum(text: str, metric: str) -> float:
    start = f'{metric}{{integration="email"'
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(start))


def _undelivered(base: str, before: tuple[float, float]) -> str:
    """Whether a mail went out since; one that failed is tried again by Alertmanager itself."""
    tried, failed = (now - then for now, then in zip(_mails(base), before, strict=True))
    if tried > failed:
        return ""
    return f"not within {LIMIT_S} s: {tried:.0f} tried, {failed:.0f} failed"

"""Alerts as the operator gets them, by mail, and as Alertmanager has them."""

import json
import re
from collections.abc import Sequence
from email.message import EmailMessage
from typing import NamedTuple

from tests.e2e.machines import page
from tests.e2e.platform import Platform

# What Alertmanager writes: the state, then what it groups by, then what the alerts have in common.
SUBJECT = re.compile(r"\[(FIRING|RESOLVED)[^]]*\] (\w+) (?:\S+ )?(\S+) \((.*)\)")
SEVERITIES = ("critical", "warning", "info")
# Some outages in an hour do use up what a month allows: it is told once a day, by a warning.
NO_NEWS = {("AppBurnsBudget", "warning"), ("Verification", "info")}


class Told(NamedTuple):
    """What the subject of a mail says.

    ``state``: FIRING or RESOLVED. ``severity``: of all alerts that fire, or empty where they
    differ. Where none fires any more it is empty: what was kept back has ended with what was told.
    """

    state: str
    alert: str
    severity: str
    target: str


class Alert(NamedTuple):
    """An alert that fires; ``told``: whether nothing keeps it from being mailed."""

    name: str
    severity: str
    target: str
    told: bool


def told(mails: Sequence[EmailMessage]) -> list[Told]:
    """What mails say, in order, but for what is no news."""
    found = []
    for mail in mails:
        match = SUBJECT.match(" ".join(str(mail["subject"]).split()))
        assert match, f"no mail of Alertmanager's: {mail['subject']}"
        state, alert, target, common = match.groups()
        severity = next((word for word in common.split() if word in SEVERITIES), "")
        if (alert, severity) not in NO_NEWS:
            found.append(Told(state, alert, severity if state == "FIRING" else "", target))
    return found


def firing(platform: Platform) -> list[Alert]:
    """What Alertmanager knows to fire now, but for what is no news or never mailed."""
    status, text = page(f"http://{platform.address('observability')}:9093/api/v2/alerts")
    assert status == 200, text
    found = []
    for each in json.loads(text):
        labels = each["labels"]
        name, severity = labels["alertname"], labels["severity"]
        if severity in ("critical", "warning") and (name, severity) not in NO_NEWS:
            is_told = each["status"]["state"] != "suppressed"
            found.append(Alert(name, severity, labels["target"], is_told))
    return found

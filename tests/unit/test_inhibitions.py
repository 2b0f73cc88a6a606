"""No consequence is mailed: its cause is known first, and is over last, however drills are timed.

A fault shows in all metrics at once, and what is known of it is known within four intervals: until
it is scraped, while a scrape waits in vain, until the rules are evaluated, and until a waiting
time ends at an evaluation.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rules import INVENTORY, rule_files, rules
from tests.unit.helpers import fake_state
from tests.unit.test_stacks import Declaration, spy_on_texts

KNOWN_INTERVALS = 4
TIMINGS = [
    (1, 15),
    (1, 5),
    (1, 60),
    (0.05, 3),
    (0.05, 15),
    (0.001, 1),
    (10, 300),
]
# It and what follows from it are told by the same samples.
OF_THE_SAME_SAMPLES = {"HostDiskFull"}
# What has happened, and is known from metrics that do not change while the host is away.
UNCHANGED = {"HostDown"}


def seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]


def matched(matchers: list[str], names: set[str]) -> set[str]:
    """The alerts that matchers speak of by their names; none where they do not."""
    for matcher in matchers:
        if found := re.fullmatch(r'alertname (=~|=|!~) "?([\w|]+)"?', matcher):
            named = {name for name in names if re.fullmatch(found[2], name)}
            assert named, matcher
            return names - named if found[1] == "!~" else named
    return set()


def pairs(config: dict[str, Any], names: set[str]) -> set[tuple[str, str]]:
    """Cause and consequence, of every inhibition."""
    return {
        (cause, consequence)
        for rule in config["inhibit_rules"]
        for cause in matched(rule["source_matchers"], names)
        for consequence in matched(rule["target_matchers"], names)
    }


@pytest.mark.parametrize(("factor", "interval_s"), TIMINGS)
def test_a_cause_is_known_first_and_over_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, interval_s: int
) -> None:
    settings = (
        f"{{alerting: {{time_factor: {factor}}}, prometheus: {{scrape_interval_s: {interval_s}}}}}"
    )
    texts = spy_on_texts(monkeypatch)
    inventory = INVENTORY.format(settings=settings)
    Declaration(fake_state(["observability"]), "observability", tmp_path, inventory)
    config = yaml.safe_load(texts["/etc/alertmanager/alertmanager.yml"])
    found = [each for text in rule_files(tmp_path, settings).values() for each in rules(text)]
    alerts = [each for each in found if "alert" in each]
    wait_s = seconds(config["route"]["group_wait"])
    causes = pairs(config, {each["alert"] for each in alerts})
    assert {("HostDown", "PhpFpmDown"), ("NginxDown", "LogShipperDown")} <= causes
    for cause, consequence in causes:
        for one in (each for each in alerts if each["alert"] == cause):
            keeps = one.get("keep_firing_for", "0s")
            for other in (each for each in alerts if each["alert"] == consequence):
                over_s = seconds(other.get("keep_firing_for", "0s")) + KNOWN_INTERVALS * interval_s
                if cause not in OF_THE_SAME_SAMPLES:
                    assert over_s <= seconds(keeps), (cause, consequence)
                if "for" not in other:
                    assert cause in UNCHANGED, (cause, consequence)
                    continue
                known_s = seconds(one["for"]) + KNOWN_INTERVALS * interval_s
                assert known_s <= seconds(other["for"]) + wait_s, (cause, consequence)

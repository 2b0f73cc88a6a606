"""Metrics: every target is scraped, every rule is loaded and evaluates."""

from collections.abc import Sequence

from tasks.component import Site
from tasks.verification.check import Check, Unanswered, ask, ask_all, read, settle


def check(site: Site) -> Sequence[Check]:
    """What Prometheus itself says of its scrape targets, its rules and where its alerts go."""
    settings = site.settings.prometheus
    base = f"http://127.0.0.1:{settings.port}/api/v1"
    page = f"http://127.0.0.1:{settings.port}"
    two_rounds = 2 * settings.scrape_interval_s + 10
    return [
        Check(
            "every scrape target is up",
            settle(lambda: _targets(base, site), two_rounds),
            f"open {page}/targets on {site.target.name}; if one is refused: is its exporter running"
            " (systemctl status), and does its firewall admit this server (ufw status)?",
        ),
        Check(
            "every rule is loaded and evaluates",
            settle(lambda: _rules(base), two_rounds),
            f"open {page}/rules on {site.target.name}",
        ),
        Check(
            "Prometheus hands its alerts to Alertmanager",
            settle(lambda: _alertmanagers(base), two_rounds),
            f"journalctl -u prometheus-alertmanager on {site.target.name}",
        ),
    ]


def _targets(base: str, site: Site) -> str:
    """Which scrape targets are not up; those of targets that this run leaves out do not count."""
    found = ask(f"{base}/targets", state="active")["data"]["activeTargets"]
    # Which it takes for new ones when it has just read its configuration again.
    unasked = any(each["health"] == "unknown" for each in found)
    lately = _lately_up(base, site) if unasked else []
    left_out = {each.name for each in site.targets} - set(site.in_this_run)
    ours = [each for each in found if each["labels"].get("target") not in left_out]
    down = [
        f"{each['labels'].get('job')} of {each['labels'].get('target', 'no target')}:"
        f" {each['health']} {each['lastError']}".rstrip()
        for each in ours
        if each["health"] != "up" and each["labels"] not in lately
    ]
    seen = {each["labels"].get("target") for each in ours}
    missing = [f"nothing of {name} is scraped" for name in site.in_this_run if name not in seen]
    return "; ".join([*down, *missing])


def _lately_up(base: str, site: Site) -> list[dict[str, str]]:
    """The labels of the scrape targets that were up when last asked, within two rounds."""
    span = f"{2 * site.settings.prometheus.scrape_interval_s}s"
    query = f"1 * last_over_time(up[{span}]) == 1"
    return [each["metric"] for each in ask(f"{base}/query", query=query)["data"]["result"]]


def _rules(base: str) -> str:
    """Which rules do not evaluate; what waits for its first turn yet is asked as a query."""
    groups = ask(f"{base}/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    waiting = [rule for rule in rules if rule["health"] == "unknown"]
    asked = ask_all([(f"{base}/query", {"query": rule["query"]}) for rule in waiting])
    bad = [
        f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}".rstrip()
        for rule in rules
        if rule["health"] not in ("ok", "unknown")
    ]
    for rule, (url, answer) in zip(waiting, asked, strict=True):
        try:
            read(url, answer)
        except Unanswered as error:
            bad.append(f"{rule['name']}: {error}")
    return "; ".join(bad) if rules else "no rule is loaded"


def _alertmanagers(base: str) -> str:
    found = ask(f"{base}/alertmanagers")["data"]["activeAlertmanagers"]
    return "" if found else "Prometheus knows no Alertmanager"

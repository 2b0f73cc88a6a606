"""The alerting rules: they do what their stories say, ask for what there is, and are in force."""

import itertools
import json
import time
from pathlib import Path
from typing import Any

from tasks.quoting import shell
from tests.e2e.machines import all_units, answer, page, restarted
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed
from tests.rules import metric_names, rule_files, rules, stories

INTERVAL_S = 15
MORE_LOAD = {"settings.alerting.load_per_cpu": 3}
# What these machines cannot show, and why.
NOT_HERE = {
    "node_timex_sync_status": "a container may not ask the kernel for its clock",
    "node_timex_maxerror_seconds": "a container may not ask the kernel for its clock",
    "probe_ssl_earliest_cert_expiry": "only pages with a certificate have it",
    "promtail_sent_entries_total": "of one of two log shippers",
    "promtail_dropped_entries_total": "of one of two log shippers",
    "loki_write_sent_entries_total": "of one of two log shippers",
    "loki_write_dropped_entries_total": "of one of two log shippers",
}


def api(platform: Platform, path: str) -> Any:
    """What Prometheus answers; None while it does not."""
    status, text = page(f"http://{platform.address('observability')}:9090/api/v1/{path}")
    return json.loads(text)["data"] if status == 200 else None


def loaded(platform: Platform) -> list[dict[str, Any]]:
    """The rules that Prometheus has evaluated; none before it has been through with all."""
    answered = api(platform, "rules") or {"groups": []}
    found = [rule for group in answered["groups"] for rule in group["rules"]]
    return [] if any(rule["health"] == "unknown" for rule in found) else found


def test_promtool_accepts_the_rules_and_their_stories(deployed: Platform, tmp_path: Path) -> None:
    files = {**rule_files(tmp_path), **stories()}
    script = 'set -e\nd=$(mktemp -d)\ntrap \'rm -rf "$d"\' EXIT\ncd "$d"\n' + "".join(
        f"printf %s {shell(text)} > {name}\n" for name, text in files.items()
    )
    script += "set -- /opt/prometheus/*/promtool\n"
    script += f'"$1" check rules {" ".join(rule_files(tmp_path))} 2>&1\n'
    script += f'"$1" test rules {" ".join(stories())} 2>&1\n'
    done = deployed.lab.run("observability", "sh -s", input=script, check=False)
    assert done.returncode == 0, done.stdout


def test_every_rule_is_evaluated_without_an_error(deployed: Platform, tmp_path: Path) -> None:
    found = wait_for("every rule", lambda: loaded(deployed))
    assert [rule for rule in found if rule["health"] != "ok"] == []
    ours = [each for text in rule_files(tmp_path).values() for each in rules(text)]
    assert sorted(rule["name"] for rule in found) == sorted(
        each.get("alert") or each["record"] for each in ours
    )


def test_every_metric_that_rules_ask_for_is_there(deployed: Platform) -> None:
    queries = [rule["query"] for rule in wait_for("every rule", lambda: loaded(deployed))]
    asked = {name for query in queries for name in metric_names(query) if ":" not in name}

    def missing() -> set[str]:
        return asked - set(api(deployed, "label/__name__/values")) - NOT_HERE.keys()

    wait_for(f"the metrics {sorted(missing())}", lambda: not missing())


def test_the_watchdog_reaches_alertmanager(deployed: Platform) -> None:
    url = f"http://{deployed.address('observability')}:9093/api/v2/alerts"

    def names() -> set[str]:
        return {alert["labels"]["alertname"] for alert in json.loads(page(url)[1] or "[]")}

    wait_for("the watchdog", lambda: "Watchdog" in names())


def pauses(platform: Platform, since: float) -> list[float]:
    """The seconds between one scrape and the next, of every target of Prometheus."""
    found = api(platform, "query?query=up[5m]")["result"]
    scraped = [[at for at, _ in each["values"] if at >= since] for each in found]
    return [later - at for times in scraped for at, later in itertools.pairwise(times)]


def test_changed_rules_are_in_force_without_a_restart(deployed: Platform) -> None:
    units, since = all_units(deployed.lab), time.time()
    record = deployed.converge(MORE_LOAD)
    assert changed(record) == {("observability", "prometheus"): 2}
    assert restarted(units, all_units(deployed.lab)) == set()
    wait_for(
        "the new threshold",
        lambda: any(rule["query"].endswith("> 3") for rule in loaded(deployed)),
    )
    # Each target was scraped before and after it, and in every interval between.
    targets = len(api(deployed, "query?query=up")["result"])
    wait_for("the next scrapes", lambda: len(pauses(deployed, since)) >= 2 * targets)
    assert max(pauses(deployed, since)) < 1.5 * INTERVAL_S


def test_refused_rules_never_take_the_place_of_the_old_ones(deployed: Platform) -> None:
    path = "/etc/prometheus-server/rules/own.yml"
    deployed.unsettle()
    answer(deployed.lab, "observability", f"echo 'groups: [nonsense]' > {path}")
    outcome = deployed.deploy({"settings.prometheus.scrape_interval_s": 7})
    assert outcome.code == 1 and "nonsense" in outcome.text, outcome
    answer(deployed.lab, "observability", f"rm {path}")
    deployed.converge()

"""Grafana: for those who log in, with all dashboards, and a mark for each deployment."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tasks.grafana.places import ADMIN, LOGIN
from tasks.grafana.queries import metrics, queries
from tasks.verification.marker import TAG
from tests.e2e.machines import (
    all_units,
    answer,
    grafana_admits,
    listeners,
    page,
    reachable,
    restarted,
)
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed

INI, DEFAULTS = "/etc/grafana/grafana.ini", "/etc/default/grafana-server"
HERE = "http://127.0.0.1:3000/grafana"
CHANGE = {"settings.nginx": {"worker_connections": 1023}}
# Prometheus has it only while an alert fires.
NOW_AND_THEN = {"ALERTS"}
ASKED = [each for each in queries() if each.datasource == "prometheus"]
SERVICE = ("observability", "grafana-server.service")


def api(platform: Platform, path: str) -> Any:
    """What Grafana answers the admin, asked on its own machine."""
    return json.loads(answer(platform.lab, "observability", f"curl -fsS -K {LOGIN} {HERE}{path}"))


def admitted(platform: Platform, password: str) -> int:
    return grafana_admits(platform.lab, password)


def logged_in(platform: Platform, password: str) -> int:
    """The HTTP status for who logs in on the page, from here."""
    request = urllib.request.Request(
        f"http://{platform.address('observability')}/grafana/login",
        json.dumps({"user": ADMIN, "password": password}).encode(),
        {"Content-Type": "application/json"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=15) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def marks(platform: Platform) -> list[dict[str, Any]]:
    """The deployments that Grafana knows, newest first."""
    found: list[dict[str, Any]] = api(platform, "/api/annotations?tags=deployment")
    return found


def dashboards(platform: Platform) -> set[str]:
    return {each["uid"] for each in api(platform, "/api/search?type=dash-db")}


def files(platform: Platform) -> list[Path]:
    """The dashboards of the project that is deployed from."""
    return sorted((platform.project.folder / "tasks" / "grafana" / "json").glob("*.json"))


def prometheus(platform: Platform, path: str) -> tuple[int, Any]:
    status, text = page(f"http://{platform.address('observability')}:9090/api/v1/{path}")
    return status, json.loads(text)


@pytest.fixture
def reset(deployed: Platform) -> Iterator[Platform]:
    """The platform, deployed to; its secrets and dashboards are put back afterwards."""
    secrets = deployed.project.secrets()
    texts = {path: path.read_text() for path in files(deployed)}
    yield deployed
    deployed.unsettle()
    deployed.project.set_secrets(secrets)
    for path, text in texts.items():
        path.write_text(text)


def test_it_is_behind_nginx_alone(deployed: Platform) -> None:
    address = deployed.address("observability")
    assert listeners(deployed.lab, "observability", 3000) == {"127.0.0.1"}
    assert not reachable(address, 3000)
    status, text = page(f"http://{address}/grafana/api/health")
    assert (status, json.loads(text)["database"]) == (200, "ok")
    assert page(f"http://{address}/grafana/login")[0] == 200
    assert 'href="/grafana/"' in page(f"http://{address}/")[1]
    assert page(f"http://{address}/grafana/metrics")[0] in (401, 404)


def test_only_who_knows_the_password_gets_in(deployed: Platform) -> None:
    password = deployed.project.secrets()["GRAFANA_ADMIN_PASSWORD"]
    assert admitted(deployed, password) == logged_in(deployed, password) == 200
    assert admitted(deployed, "admin") == logged_in(deployed, "admin") == 401
    assert page(f"http://{deployed.address('observability')}/grafana/api/search")[0] == 401


def test_its_sources_answer(deployed: Platform) -> None:
    found = {each["uid"]: each for each in api(deployed, "/api/datasources")}
    assert set(found) == {"prometheus", "loki", "alertmanager"}
    assert [uid for uid, each in found.items() if each.get("isDefault")] == ["prometheus"]
    assert api(deployed, "/api/datasources/uid/prometheus/health")["status"] == "OK"


def test_only_data_sources_that_are_used_are_plugins(deployed: Platform) -> None:
    """And nothing is downloaded at a start."""
    answer(deployed.lab, "observability", "grep -q '^disable_plugins = .*,mysql,' " + INI)
    since = "$(systemctl show -P ActiveEnterTimestamp grafana-server)"
    said = answer(
        deployed.lab, "observability", f'journalctl -u grafana-server --since "{since}" -o cat'
    )
    assert "Installing plugin" not in said and "Failed to install plugin" not in said


def test_nginx_compresses_what_grafana_does_not(deployed: Platform) -> None:
    def encoding(url: str) -> str:
        show = "curl -fsS -o /dev/null -D - -H 'Accept-Encoding: gzip'"
        headers = answer(deployed.lab, "observability", f"{show} {url}")
        return ",".join(re.findall(r"(?im)^content-encoding: (\S+)", headers))

    assert encoding(f"{HERE}/api/health") == ""
    assert encoding("http://127.0.0.1/grafana/api/health") == "gzip"
    assert encoding("http://127.0.0.1/grafana/login") == "gzip"


def test_data_sources_that_start_late_are_waited_for(deployed: Platform) -> None:
    """On one vCPU their processes were seen to answer a minute after Grafana itself."""
    late = f"{{ cat {DEFAULTS}; echo STANDIN_PLUGINS_AFTER_S=25; }}"
    lab = deployed.lab
    if "grafana" not in lab.apt_repository.standins:
        pytest.skip("the real program has no switch for that")
    try:
        answer(lab, "observability", f"{late} > /run/late && cp {DEFAULTS} /run/kept")
        answer(lab, "observability", f"cp /run/late {DEFAULTS} && systemctl restart grafana-server")
        record = deployed.converge({"settings.nginx": {"worker_connections": 1022}})
    finally:
        answer(lab, "observability", f"cp /run/kept {DEFAULTS} && systemctl restart grafana-server")
    assert record.targets["observability"].status == "completed"
    waited = [
        check for check in record.targets["observability"].checks if "datasource" in check.name
    ]
    assert len(waited) == 2 and not any(check.problem for check in waited)


def test_all_dashboards_are_there(deployed: Platform) -> None:
    wanted = {path.stem for path in files(deployed)}
    assert len(wanted) == 9
    assert wait_for("the dashboards", lambda: dashboards(deployed) == wanted)


def test_a_dashboard_whose_file_is_gone_vanishes(reset: Platform) -> None:
    before = all_units(reset.lab)
    next(path for path in files(reset) if path.stem == "chom-redis").unlink()
    record = reset.converge()
    assert changed(record) == {("observability", "grafana"): 1}
    wait_for("it to vanish", lambda: "chom-redis" not in dashboards(reset))
    assert "chom-host" in dashboards(reset)
    assert restarted(before, all_units(reset.lab)) == set()


def test_a_deployment_is_marked_if_it_changed_something(deployed: Platform) -> None:
    known = marks(deployed)
    record = deployed.converge(CHANGE)
    [mark] = [each for each in marks(deployed) if each not in known]
    assert set(mark["tags"]) == {"deployment", "observability", "vpsmanager"}
    assert record.deployment_id in mark["text"]
    assert f"{record.deployer.user} at {record.deployer.hostname}: completed" in mark["text"]
    assert "vpsmanager: 2 changes (nginx 2)" in mark["text"]
    assert 0 <= mark["timeEnd"] - mark["time"] < 600_000

    units = all_units(deployed.lab)
    assert changed(deployed.converge(CHANGE)) == {}
    assert marks(deployed) == [mark, *known]
    assert all_units(deployed.lab) == units


def test_a_failed_deployment_is_marked_too(deployed: Platform) -> None:
    obstacle = "/etc/nginx/nginx.conf"
    answer(deployed.lab, "vpsmanager", f"mv {obstacle} /root/ && mkdir {obstacle}")
    outcome = deployed.deploy(CHANGE)
    answer(deployed.lab, "vpsmanager", f"rmdir {obstacle} && mv /root/nginx.conf {obstacle}")
    assert outcome.code == 1, outcome
    mark = marks(deployed)[0]
    assert f"{deployed.project.record().deployment_id} by " in mark["text"]
    assert ": failed" in mark["text"]


def test_that_it_cannot_be_marked_is_said(deployed: Platform) -> None:
    """Once all lanes have ended, and the verification has begun, Grafana is stopped."""
    begins = f"journalctl -qfn0 -t {TAG}"
    stop = f"{begins} | {{ read -r line; systemctl stop grafana-server; }}"
    answer(deployed.lab, "observability", f"systemd-run -q --unit=stops-grafana sh -c '{stop}'")
    outcome = deployed.deploy(CHANGE)
    answer(deployed.lab, "observability", "systemctl stop stops-grafana 2>&1 || true")
    assert outcome.code == 1, outcome
    error = deployed.project.record().targets["observability"].error
    assert error is not None and error.stage == "verify"  # no lane failed
    assert "note: observability was not told of this deployment: curl" in outcome.text


def test_another_password_replaces_the_old_one(reset: Platform) -> None:
    old = reset.project.secrets()["GRAFANA_ADMIN_PASSWORD"]
    new = " another \"one\" of 'mine': $HOME %d \\n # ß"
    before = all_units(reset.lab)
    reset.project.set_secrets({"GRAFANA_ADMIN_PASSWORD": new})
    dry = reset.project.deploy("--dry")
    assert dry.code == 0, dry
    assert "Password of Grafana's admin" in dry.text
    assert admitted(reset, old) == 200
    assert changed(reset.converge()) == {
        ("observability", "grafana"): 1,
        ("observability", "grafana_access"): 2,
    }
    assert admitted(reset, new) == logged_in(reset, new) == 200
    assert admitted(reset, old) == 401
    assert restarted(before, all_units(reset.lab)) == set()
    assert changed(reset.converge()) == {}


def test_a_password_that_someone_has_changed_is_put_right(deployed: Platform) -> None:
    deployed.unsettle()
    other = "somebody's own"
    reset_it = "grafana cli admin reset-admin-password --password-from-stdin"
    deployed.lab.run("observability", f"runuser -u grafana -- {reset_it}", input=f"{other}\n")
    assert admitted(deployed, other) == 200
    # Later packages do not have the old command any more.
    answer(deployed.lab, "observability", "mv /usr/sbin/grafana-cli /root/")
    record = deployed.converge()
    answer(deployed.lab, "observability", "mv /root/grafana-cli /usr/sbin/")
    assert changed(record) == {("observability", "grafana_access"): 1}
    assert admitted(deployed, other) == 401


@pytest.mark.drill
def test_another_key_restarts_grafana_and_breaks_nothing(reset: Platform) -> None:
    before = all_units(reset.lab)
    reset.project.set_secrets({"GRAFANA_SECRET_KEY": "another key of mine"})
    reset.converge()
    assert restarted(before, all_units(reset.lab)) == {SERVICE}
    assert api(reset, "/api/datasources/uid/prometheus/health")["status"] == "OK"
    assert dashboards(reset)


def test_promtool_accepts_what_the_dashboards_ask(deployed: Platform) -> None:
    rules = [{"record": f"x:{i}", "expr": each.expression} for i, each in enumerate(ASKED)]
    said = deployed.lab.run(
        "observability",
        "cat > /run/asked.yml; /opt/prometheus/*/promtool check rules /run/asked.yml;"
        " code=$?; rm /run/asked.yml; exit $code",
        input=json.dumps({"groups": [{"name": "asked", "rules": rules}]}),
    ).stdout
    assert f"SUCCESS: {len(ASKED)} rules found" in said


def test_prometheus_knows_all_that_the_dashboards_ask(deployed: Platform) -> None:
    def unknown() -> set[tuple[str, str, str]]:
        status, known = prometheus(deployed, "label/__name__/values")
        assert status == 200
        return {
            (each.dashboard, each.panel, name)
            for each in ASKED
            for name in metrics(each.expression) - NOW_AND_THEN - set(known["data"])
        }

    wait_for(f"metrics of {len(ASKED)} queries", lambda: not unknown(), every_s=2)
    for each in ASKED:
        status, found = prometheus(deployed, f"query?{urlencode({'query': each.expression})}")
        assert (status, found["status"]) == (200, "success"), (each, found)

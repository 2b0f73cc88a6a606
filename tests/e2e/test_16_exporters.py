"""What every service tells of itself is in Prometheus, and nobody else gets to read it."""

import json
import re
from collections import Counter
from urllib.parse import urlencode

import pytest

from tasks.metrics.component import USER
from tasks.prometheus.places import LOGINS
from tasks.quoting import curl
from tests.e2e.machines import all_units, answer, listeners, page, processes, reachable, restarted
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed

PORTS = {
    "node": 9100,
    "mysql": 9104,
    "nginx": 9113,
    "requests": 3903,
    "redis": 9121,
    "php-fpm": 9253,
}
# Of each application's pool, and of each Redis.
PATHS = {
    "php-fpm": "/metrics/laravel",
    "redis": "/scrape?target=laravel-queue",
}
# What one of each job's own metrics is when all is well.
HEALTHY = [
    ("nginx_up", "observability"),
    ("nginx_up", "vpsmanager"),
    ("mysql_up", "vpsmanager"),
    ('redis_up{redis="queue"}', "vpsmanager"),
    ('redis_up{redis="cache"}', "vpsmanager"),
    ("phpfpm_up", "vpsmanager"),
    ("probe_success", "vpsmanager"),
]
# Metrics that the exporters have only if they may ask all that they want to know.
TELLING = [
    "nginx_connections_accepted",
    'nginx_responses_total{status="2xx"}',
    'nginx_request_duration_seconds_bucket{le="+Inf"} > 0',
    "mysql_global_status_threads_connected",
    'mysql_exporter_collector_success{collector="collect.slave_status"} == 1',
    'mysql_exporter_collector_success{collector="collect.info_schema.innodb_cmp"} == 1',
    "redis_memory_used_bytes{redis='queue'}",
    "redis_memory_used_bytes{redis='cache'}",
    "phpfpm_idle_processes{app='laravel'}",
    "probe_http_status_code{app='laravel'} == 200",
]
# A scrape interval, and another one to notice.
SOON_S = 45
EXPORTERS = ("node", "nginx", "mysqld", "redis", "blackbox")


def asked(platform: Platform, query: str) -> list[dict[str, str]]:
    """The series that Prometheus answers with: their labels, and their values as ``value``."""
    address = platform.address("observability")
    status, text = page(f"http://{address}:9090/api/v1/query?{urlencode({'query': query})}")
    assert status == 200, text
    found = json.loads(text)["data"]["result"]
    return [{**each["metric"], "value": each["value"][1]} for each in found]


def wait_for_value(platform: Platform, metric: str, machine: str, value: str) -> None:
    def has_it() -> bool:
        found = asked(platform, f'{metric} and on(target) up{{target="{machine}"}}')
        return [each["value"] for each in found] == [value]

    wait_for(f"{metric} of {machine} to be {value}", has_it, SOON_S, every_s=1)


def status_of(platform: Platform, machine: str, job: str, password: str | None) -> str:
    """What an exporter of vpsmanager answers ``machine``, which trusts its certificate alone."""
    place = f"vpsmanager.metrics.chom.internal:{PORTS[job]}"
    login = f"user = {curl(f'{USER}:{password}')}\n" if password else ""
    path = PATHS.get(job, "/metrics")
    asking = platform.lab.run(
        machine,
        f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' -K - --cacert {LOGINS}/vpsmanager-*.crt"
        f" --resolve {place}:{platform.address('vpsmanager')} https://{place}{path}",
        input=login,
        check=False,
    )
    return asking.stdout.strip()


def grants(platform: Platform) -> str:
    """What MariaDB lets its exporter do."""
    sql = "show grants for mysqld_exporter@localhost"
    return answer(platform.lab, "vpsmanager", f"mariadb -NBe '{sql}'")


@pytest.mark.parametrize(("metric", "machine"), HEALTHY)
def test_every_service_is_seen_to_be_well(deployed: Platform, metric: str, machine: str) -> None:
    wait_for_value(deployed, metric, machine, "1")


@pytest.mark.parametrize("query", TELLING)
def test_exporters_may_ask_what_they_want_to_know(deployed: Platform, query: str) -> None:
    wait_for(query, lambda: asked(deployed, query), SOON_S, every_s=1)


def answers_counted(platform: Platform) -> Counter[str]:
    """What the application's machine has answered by status; there is one site."""
    page_of_it = answer(platform.lab, "vpsmanager", "curl -sS http://127.0.0.1:13903/metrics")
    found = re.findall(
        r'^nginx_responses_total[{]site="(.*)",status="(.*)"[}] (\d+)$', page_of_it, re.MULTILINE
    )
    assert {site for site, _, _ in found} <= {"_"}, found
    return Counter({status: int(number) for _, status, number in found})


def test_answers_are_counted_whatever_clients_write_and_after_a_rotation(
    deployed: Platform,
) -> None:
    before = answers_counted(deployed)
    since = all_units(deployed.lab)["vpsmanager"]["mtail.service"]
    visit = (
        "curl -s -o /dev/null -u 'a b\" 500:c' -H 'Host: evil.example' -e 'x\" 500 1 '"
        """ -A '" 500 1 "-" "-" evil 9.0 -' 'http://127.0.0.1/nothing"%20500%201'"""
    )
    for round_, rotate in enumerate(("true", "logrotate -f /etc/logrotate.d/nginx"), start=1):
        answer(deployed.lab, "vpsmanager", f"{rotate}; for i in 1 2 3; do {visit}; done")

        def counted(due: int = 3 * round_) -> bool:
            return answers_counted(deployed)["4xx"] - before["4xx"] == due

        wait_for("three more answers with 404", counted, SOON_S, every_s=0.5)
    assert answers_counted(deployed)["5xx"] == before["5xx"]
    assert all_units(deployed.lab)["vpsmanager"]["mtail.service"] == since


@pytest.mark.parametrize("job", PORTS)
def test_metrics_are_for_who_has_the_password(deployed: Platform, job: str) -> None:
    password = deployed.project.secrets()["METRICS_PASSWORD_VPSMANAGER"]
    assert status_of(deployed, "observability", job, password) == "200"
    for other in (None, "wrong"):
        assert status_of(deployed, "observability", job, other) == "401"


@pytest.mark.parametrize("job", PORTS)
def test_metrics_are_for_the_observability_machine_alone(deployed: Platform, job: str) -> None:
    for machine in ("observability", "vpsmanager"):
        assert not reachable(deployed.address(machine), PORTS[job])


def test_nobody_but_prometheus_may_have_pages_fetched(deployed: Platform) -> None:
    assert listeners(deployed.lab, "observability", 9115) == {"127.0.0.1"}
    url = "https://127.0.0.1:9115/probe?target=http://127.0.0.1/"
    shown = answer(
        deployed.lab, "observability", f"curl -sk -o /dev/null -w '%{{http_code}}' '{url}'"
    )
    assert shown == "401"


def test_no_exporter_shows_a_password_among_the_processes(deployed: Platform) -> None:
    secrets = deployed.project.secrets()
    for machine in ("observability", "vpsmanager"):
        commands = " ".join(command for _, command in processes(deployed.lab, machine))
        assert "exporter" in commands
        assert [name for name, value in secrets.items() if value in commands] == []


def test_reader_of_the_database_cannot_read_data(deployed: Platform) -> None:
    asking = deployed.lab.run(
        "vpsmanager",
        "runuser -u mysqld_exporter -- mariadb -e 'select * from mysql.global_priv'",
        check=False,
    )
    assert "denied" in asking.stderr
    shown = answer(
        deployed.lab, "vpsmanager", "mariadb -NBe 'show grants for mysqld_exporter@localhost'"
    )
    assert shown == (
        "GRANT PROCESS, SLAVE MONITOR ON *.* TO `mysqld_exporter`@`localhost`"
        " IDENTIFIED VIA unix_socket"
    )


def test_more_privileges_are_taken_back(deployed: Platform) -> None:
    deployed.unsettle()
    answer(
        deployed.lab, "vpsmanager", "mariadb -e 'grant select on *.* to mysqld_exporter@localhost'"
    )
    assert changed(deployed.converge()) == {("vpsmanager", "mysqld_exporter"): 1}
    shown = answer(
        deployed.lab, "vpsmanager", "mariadb -NBe 'show grants for mysqld_exporter@localhost'"
    )
    assert "SELECT" not in shown


@pytest.mark.parametrize(
    ("unit", "metric"),
    [
        pytest.param("mariadb", "mysql_up", marks=pytest.mark.drill),
        ("laravel-redis-queue", 'redis_up{redis="queue"}'),
        pytest.param("laravel-redis-cache", 'redis_up{redis="cache"}', marks=pytest.mark.drill),
        pytest.param("nginx", "nginx_up", marks=pytest.mark.drill),
        # Its sockets would start it at the next request.
        pytest.param(
            "laravel-php8.4.socket laravel-php8.4", 'up{job="php-fpm"}', marks=pytest.mark.drill
        ),
    ],
)
def test_a_stopped_service_is_noticed_and_comes_back(
    deployed: Platform, unit: str, metric: str
) -> None:
    deployed.unsettle()
    answer(deployed.lab, "vpsmanager", f"systemctl stop {unit}")
    wait_for_value(deployed, metric, "vpsmanager", "0")
    if not unit.startswith("laravel-redis"):
        wait_for_value(deployed, "probe_success", "vpsmanager", "0")
    deployed.converge()
    wait_for_value(deployed, metric, "vpsmanager", "1")
    wait_for_value(deployed, "probe_success", "vpsmanager", "1")


@pytest.mark.drill
def test_new_password_is_taken_up_by_all_at_once(deployed: Platform) -> None:
    before = all_units(deployed.lab)
    deployed.unsettle()
    deployed.project.set_secrets({"METRICS_PASSWORD_VPSMANAGER": "another one, 'quoted\" $HOME"})
    deployed.converge()
    # Prometheus reads the new password by itself.
    assert restarted(before, all_units(deployed.lab)) == {
        ("vpsmanager", f"prometheus-{each}-exporter.service")
        for each in EXPORTERS
        if each != "blackbox"
    }
    for job in PORTS:
        password = deployed.project.secrets()["METRICS_PASSWORD_VPSMANAGER"]
        assert status_of(deployed, "observability", job, password) == "200"
    wait_for("all to be up", lambda: asked(deployed, "up == 0") == [], SOON_S, every_s=1)
    assert changed(deployed.converge()) == {}

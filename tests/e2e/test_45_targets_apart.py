"""Root on one server opens nothing on another: no exporter, no login, no key does."""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_network
from threading import Thread

import pytest

from configs.secret_names import OF_TARGETS
from tasks.grafana.queries import VALUES, queries
from tasks.logs import component as logs
from tasks.loki.component import PUSH
from tasks.metrics.component import CREDENTIALS
from tasks.metrics.component import USER as METRICS_USER
from tasks.prometheus.places import LOGINS
from tasks.quoting import shell
from tests.e2e.conftest import SUBNET
from tests.e2e.leaks import places
from tests.e2e.machines import REDIS, answer, listeners, properties
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for

GATEWAY = str(next(ip_network(SUBNET).hosts()))
MACHINES = ("observability", "vpsmanager")
EXPORTERS = ("node", "nginx", "mysqld", "redis", "blackbox")
# By machine, those of our units that are there to watch it.
UNITS = {
    "observability": (
        *(f"prometheus-{each}-exporter" for each in ("node", "nginx", "blackbox")),
        *("prometheus", "prometheus-alertmanager", "loki", "grafana-server"),
        *("mtail", "alloy", "chom-log-checkpoint", "nginx"),
    ),
    "vpsmanager": (
        *(f"prometheus-{each}-exporter" for each in ("node", "nginx", "mysqld", "redis")),
        *("mtail", "alloy", "chom-log-checkpoint", "nginx"),
    ),
}
WORST_EXPOSURE = 3.0


class Trap:
    """A listener on this computer, and what each client sent to it first."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self.address = f"{GATEWAY}:{listening.getsockname()[1]}"
        self.caught: list[bytes] = []

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            with client:
                client.settimeout(2)
                try:
                    self.caught.append(client.recv(1000))
                except TimeoutError:
                    self.caught.append(b"")


@contextmanager
def trap() -> Iterator[Trap]:
    with socket.create_server((GATEWAY, 0)) as listening:
        made = Trap(listening)
        Thread(target=made.serve, daemon=True).start()
        yield made
        listening.shutdown(socket.SHUT_RDWR)


def asked_by_prometheus(platform: Platform, port: int, path: str) -> tuple[str, str]:
    """Status and text of vpsmanager's answer to root of observability, with all it has."""
    name = "vpsmanager.metrics.chom.internal"
    said = answer(
        platform.lab,
        "observability",
        f"curl -s -m 20 -w '\\n%{{http_code}}' --cacert {LOGINS}/vpsmanager-*.crt"
        f' -u "{METRICS_USER}:$(cat {LOGINS}/vpsmanager-*.password)"'
        f" --resolve {name}:{port}:{platform.address('vpsmanager')} 'https://{name}:{port}{path}'",
    )
    text, _, status = said.rpartition("\n")
    return status, text


@pytest.mark.parametrize(
    ("port", "path"),
    [
        (9121, "/scrape?target=redis://{trap}"),
        (9121, "/scrape?target=redis%3A%2F%2F{trap}"),
        (9121, "/scrape?target=laravel-queue&target=redis://{trap}"),
        (9121, "/scrape?target=laravel-queue%40{trap}"),
        (9121, "/scrape/?target=redis://{trap}"),
        (9121, "/%73crape?target=redis://{trap}"),
        (9121, "/discover-cluster-nodes?target=redis://{trap}"),
        (9121, "/metrics?target=redis://{trap}"),
        (9104, "/probe?target={trap}"),
        (9104, "/metrics?target={trap}"),
        (9113, "/probe?target={trap}"),
        (9113, "/metrics?target=http://{trap}/"),
        (9100, "/probe?target={trap}"),
        (9253, "/metrics/laravel?target={trap}"),
        (3903, "/metrics?target={trap}"),
        (9080, "/metrics?target={trap}"),
    ],
)
def test_no_exporter_connects_where_the_observer_says(
    deployed: Platform, port: int, path: str
) -> None:
    with trap() as made:
        host = made.address
        asked_by_prometheus(deployed, port, path.format(trap=host))
        assert made.caught == []
        # It would have been seen.
        answer(deployed.lab, "vpsmanager", f"curl -s -m 2 http://{host}/control || :")
        assert len(made.caught) == 1 and b"control" in made.caught[0]


def test_prometheus_itself_gets_what_it_asks_for(deployed: Platform) -> None:
    for name in ("queue", "cache"):
        path = f"/scrape?target=laravel-{name}"
        status, text = asked_by_prometheus(deployed, 9121, path)
        assert status == "200" and "\nredis_up 1\n" in text
        assert "\nredis_exporter_last_scrape_error 0\n" in text.replace('{err=""}', "")
    assert asked_by_prometheus(deployed, 9104, "/metrics")[0] == "200"


def test_the_observer_is_told_no_key_of_redis(deployed: Platform) -> None:
    shown = 'REDISCLI_AUTH="$(cat /etc/chom/redis/password)"'
    administrator = f"{shown} redis-cli -s {REDIS} --user chom"
    answer(deployed.lab, "vpsmanager", f"{administrator} set zz-canary-key canary-value")
    path = "/scrape?target=laravel-queue&check-keys=*&check-single-keys=zz-canary-key"
    status, text = asked_by_prometheus(deployed, 9121, path)
    assert status == "200" and "zz-canary-key" not in text
    read = "import json; found = json.load(open('/etc/chom/redis_exporter.json'));"
    read += " print(*(found[each] for each in found if 'laravel-queue' in each))"
    exporter = f'REDISCLI_AUTH="$(python3 -c "{read}")" redis-cli -s {REDIS} --user chom-exporter'
    assert "redis_version" in answer(deployed.lab, "vpsmanager", f"{exporter} info server")
    for words in (
        "get zz-canary-key",
        "keys '*'",
        "scan 0",
        "flushall",
        "acl list",
        "config set x y",
    ):
        assert "NOPERM" in answer(deployed.lab, "vpsmanager", f"{exporter} {words}")
    answer(deployed.lab, "vpsmanager", f"{administrator} del zz-canary-key")


def test_each_server_has_its_own_secrets_alone(deployed: Platform) -> None:
    secrets = deployed.project.secrets()
    for machine in MACHINES:
        for kind in OF_TARGETS:
            name = f"{kind}_{machine.upper()}"
            if name not in secrets:
                assert kind.startswith("REDIS_") and machine == "observability"
                continue
            on = {place.machine for place in places(deployed.lab, {name: secrets[name]})}
            # The observer shows the password, so it has it; it has no key but its own.
            also = {"observability"} if kind == "METRICS_PASSWORD" else set()
            assert on == {machine} | also, name
    values = [secrets[name] for name in secrets]
    assert len(values) == len(set(values))


def test_a_server_cannot_pose_as_another_one_to_prometheus(deployed: Platform) -> None:
    lab, port, unit = deployed.lab, 9443, "poses-as-another"
    certificate, key = CREDENTIALS["tls.crt"], CREDENTIALS["tls.key"]
    answer(
        lab,
        "vpsmanager",
        f"ufw allow {port}/tcp; systemd-run -q -u {unit} openssl s_server -quiet -www"
        f" -accept {port} -cert {certificate} -key {key}; sleep 1",
    )
    try:
        codes = {}
        for machine in MACHINES:
            name = f"{machine}.metrics.chom.internal"
            codes[machine] = answer(
                lab,
                "observability",
                f"curl -s -m 5 -o /dev/null --cacert {LOGINS}/{machine}-*.crt"
                f" --resolve {name}:{port}:{deployed.address('vpsmanager')}"
                f" https://{name}:{port}/; echo $?",
            )
        # 60: the certificate is none that the client trusts.
        assert codes == {"observability": "60", "vpsmanager": "0"}
    finally:
        answer(lab, "vpsmanager", f"systemctl stop {unit}; ufw delete allow {port}/tcp")


def push(user: str, labels: Mapping[str, str], line: str, more: str = "") -> str:
    """Command of root on a server that pushes a line by its own password; prints the status."""
    place = f"{logs.SERVER_NAME}:3101"
    body = {"streams": [{"stream": labels, "values": [[str(time.time_ns()), line]]}]}
    return (
        f"curl -s -m 20 -o /dev/null -w '%{{http_code}}' --cacert {logs.CERTIFICATE} {more}"
        f' -u "{user}:$(cat {logs.PASSWORD_FILE})" -H "Content-Type: application/json"'
        f" --resolve {place}:$LOKI --data {shell(json.dumps(body))}"
        f" https://{place}{PUSH}"
    )


def run_push(platform: Platform, machine: str, command: str) -> str:
    return answer(platform.lab, machine, f"LOKI={platform.address('observability')}; {command}")


def found(platform: Platform, query: str) -> list[dict[str, str]]:
    """Labels of the streams that a query finds, asked as Grafana asks."""
    url = "http://127.0.0.1:3100/loki/api/v1/query_range"
    said = answer(
        platform.lab,
        "observability",
        f"curl -fsS -G --data-urlencode {shell(f'query={query}')} {url}",
    )
    return [each["stream"] for each in json.loads(said)["data"]["result"]]


@pytest.mark.parametrize("header", ["", "-H 'X-Scope-OrgID: observability'"])
def test_a_line_in_another_ones_name_shows_who_sent_it(deployed: Platform, header: str) -> None:
    word = f"forged-{time.time_ns()}"
    claim = {"target": "observability", "role": "observability", "job": "journal"}
    command = push("vpsmanager", claim, word, header)
    assert run_push(deployed, "vpsmanager", command) == "204"
    ask = f'{{job="journal"}} |= "{word}"'
    (stream,) = wait_for(word, lambda: found(deployed, ask), 30, every_s=1)
    assert stream["__tenant_id__"] == "vpsmanager"
    shown = [query.expression for query in queries({**VALUES, "target": "observability"})]
    every = [each for each in shown if each.startswith("{") and 'target=~"observability"' in each]
    assert every and all("__tenant_id__" in each for each in every)
    by_dashboards = '{__tenant_id__=~"observability|fake",target=~"observability"}'
    assert any(each.startswith(by_dashboards[:-1]) for each in every)
    assert found(deployed, f'{by_dashboards} |= "{word}"') == []


@pytest.mark.parametrize("user", ["observability", "shipper", "fake", "observability|vpsmanager"])
def test_a_server_cannot_push_as_another_one(deployed: Platform, user: str) -> None:
    command = push(user, {"job": "journal"}, "as somebody else")
    assert run_push(deployed, "vpsmanager", command) == "503"


def test_a_server_that_floods_loki_keeps_no_other_from_it(deployed: Platform) -> None:
    line = push("vpsmanager", {"job": "flood"}, "one of many")
    # A body that does not come: its request is counted, and never complete.
    stalled = f"{line.partition('--data')[0]} -X POST -T - https://{logs.SERVER_NAME}:3101{PUSH}"
    many = f"for n in $(seq 40); do (sleep 10 | {stalled} >/dev/null) & done; sleep 4; {line}; wait"
    with ThreadPoolExecutor() as pool:
        flood = pool.submit(run_push, deployed, "vpsmanager", many)
        time.sleep(5)
        own = push("observability", {"job": "flood"}, "of another one")
        assert run_push(deployed, "observability", own) == "204"
        # A shipper tries again after that.
        assert flood.result() == "429"


def test_loki_is_asked_on_its_own_machine_alone(deployed: Platform) -> None:
    for port in (3100, 13100):
        assert listeners(deployed.lab, "observability", port) == {"127.0.0.1"}
    for path in ("push", "delete", "tail"):
        url = f"http://127.0.0.1:3100/loki/api/v1/{path}"
        command = f"curl -s -o /dev/null -w '%{{http_code}}' -X POST {url}"
        assert answer(deployed.lab, "observability", command) == "404"


@pytest.mark.parametrize("machine", MACHINES)
def test_units_that_watch_are_confined(deployed: Platform, machine: str) -> None:
    exposures = {}
    for unit in UNITS[machine]:
        said = answer(deployed.lab, machine, f"systemd-analyze security --no-pager {unit}.service")
        exposures[unit] = float(said.split("exposure level for")[1].split(": ")[1].split()[0])
    assert {unit: value for unit, value in exposures.items() if value > WORST_EXPOSURE} == {}


@pytest.mark.parametrize("exporter", ["mysqld", "redis"])
def test_exporters_that_could_connect_reach_loopback_alone(
    deployed: Platform, exporter: str
) -> None:
    """A kernel in a container may not enforce it; the unit asks for it all the same."""
    unit = f"prometheus-{exporter}-exporter.service"
    found = properties(deployed.lab, "vpsmanager", unit, "IPAddressAllow", "IPAddressDeny")
    assert "127.0.0.0/8" in found["IPAddressAllow"]
    assert "0.0.0.0/0" in found["IPAddressDeny"] and "::/0" in found["IPAddressDeny"]

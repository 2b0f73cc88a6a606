"""Root on one server opens nothing on another: no exporter, no login, no key does."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from threading import Thread

import pytest

from configs.secret_names import OF_TARGETS
from tasks.metrics.component import CREDENTIALS
from tasks.metrics.component import USER as METRICS_USER
from tasks.prometheus.places import LOGINS
from tests.e2e.conftest import SUBNET
from tests.e2e.leaks import places
from tests.e2e.machines import answer, properties
from tests.e2e.platform import Platform

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
        f"curl -s -m 20 -w '\\n%{{http_code}}' --cacert {LOGINS}/vpsmanager.crt"
        f' -u "{METRICS_USER}:$(cat {LOGINS}/vpsmanager.password)"'
        f" --resolve {name}:{port}:{platform.address('vpsmanager')} 'https://{name}:{port}{path}'",
    )
    text, _, status = said.rpartition("\n")
    return status, text


@pytest.mark.parametrize(
    ("port", "path"),
    [
        (9121, "/scrape?target=redis://{trap}"),
        (9121, "/scrape?target=redis%3A%2F%2F{trap}"),
        (9121, "/scrape?target=redis%3A%2F%2F127.0.0.1%3A6379&target=redis://{trap}"),
        (9121, "/scrape?target=redis%3A%2F%2F127.0.0.1%3A6379%40{trap}"),
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
    for port in (6379, 6380):
        path = f"/scrape?target=redis%3A%2F%2F127.0.0.1%3A{port}"
        status, text = asked_by_prometheus(deployed, 9121, path)
        assert status == "200" and "\nredis_up 1\n" in text
        assert "\nredis_exporter_last_scrape_error 0\n" in text.replace('{err=""}', "")
    assert asked_by_prometheus(deployed, 9104, "/metrics")[0] == "200"


def test_the_observer_is_told_no_key_of_redis(deployed: Platform) -> None:
    administrator = 'REDISCLI_AUTH="$(cat /etc/chom/redis/password)" redis-cli --user chom'
    answer(deployed.lab, "vpsmanager", f"{administrator} set zz-canary-key canary-value")
    path = (
        "/scrape?target=redis%3A%2F%2F127.0.0.1%3A6379&check-keys=*&check-single-keys=zz-canary-key"
    )
    status, text = asked_by_prometheus(deployed, 9121, path)
    assert status == "200" and "zz-canary-key" not in text
    exporter = (
        'REDISCLI_AUTH="$(sed \'s/.*6379": "\\([^"]*\\)".*/\\1/\' /etc/chom/redis_exporter.json)"'
        " redis-cli --user chom-exporter"
    )
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
                f"curl -s -m 5 -o /dev/null --cacert {LOGINS}/{machine}.crt"
                f" --resolve {name}:{port}:{deployed.address('vpsmanager')}"
                f" https://{name}:{port}/; echo $?",
            )
        # 60: the certificate is none that the client trusts.
        assert codes == {"observability": "60", "vpsmanager": "0"}
    finally:
        answer(lab, "vpsmanager", f"systemctl stop {unit}; ufw delete allow {port}/tcp")


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

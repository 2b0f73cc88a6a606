"""HTTPS: with a certificate of our own, with one of an ACME server, and without it again."""

import json
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from tasks.blackbox_exporter.component import TRUSTED
from tasks.tls.places import CERTIFICATE, FOLDER, OBTAINED
from tests.e2e.acme import Acme, serve
from tests.e2e.certificates import trusted
from tests.e2e.machines import all_units, answer, page, reachable, restarted
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed

OWN = {"settings.tls": {"mode": "selfsigned"}}
NAME, OTHER_NAME = "app.chom.test", "www.chom.test"
FINGERPRINT = "openssl x509 -noout -fingerprint -sha256"


@pytest.fixture(scope="module")
def acme(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acme]:
    """An ACME server that vpsmanager trusts, and whose certificates observability trusts."""
    gateway = str(platform.lab.network.gateway)
    with (
        serve(gateway, tmp_path_factory.mktemp("acme")) as server,
        trusted(platform.lab, "vpsmanager", server.issued.authority),
        trusted(platform.lab, "observability", server.root()),
    ):
        yield server


@pytest.fixture
def named(deployed: Platform) -> Iterator[Platform]:
    """The platform, deployed to; whatever names a test gives its machines are taken back."""
    yield deployed
    deployed.unsettle()
    for machine in ("observability", "vpsmanager"):
        answer(deployed.lab, machine, "sed -i '/chom.test/d' /etc/hosts")


def name(platform: Platform, address: str, *names: str) -> None:
    """Let both machines find these names at an address."""
    for machine in ("observability", "vpsmanager"):
        line = f"{address} {' '.join(names)}"
        answer(platform.lab, machine, f"sed -i '/chom.test/d' /etc/hosts; echo {line} >>/etc/hosts")


def asked_of(acme: Acme, *names: str) -> dict[str, Any]:
    """The changes for a certificate with these names for the application alone."""
    tls = {"mode": "letsencrypt", "email": "ops@example.org", "acme_url": acme.directory_url}
    return {
        "targets.vpsmanager.settings": {
            "tls": tls,
            "apps": {"laravel": {"domain": " ".join(names)}},
        }
    }


def curl(
    platform: Platform, options: str, url: str, machine: str = "observability"
) -> "subprocess.CompletedProcess[str]":
    """What curl on a machine gets, headers before the text."""
    command = f"curl -sS -m 15 -D - {options} {shlex.quote(url)} 2>&1"
    return platform.lab.run(machine, command, check=False)


def secure_page(platform: Platform, url: str) -> tuple[str, dict[str, str], str]:
    """Status line, headers and text, for who trusts what the blackbox exporter trusts."""
    said = curl(platform, f"--cacert {TRUSTED}", url)
    assert said.returncode == 0, said
    return parsed(said.stdout)


def parsed(text: str) -> tuple[str, dict[str, str], str]:
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    status, *lines = head.splitlines()
    return status.strip(), {k.lower(): v for k, v in (x.split(": ", 1) for x in lines)}, body


def metric(platform: Platform, expression: str) -> dict[str, float]:
    """Instance → value of what Prometheus has now."""
    base = f"http://{platform.address('observability')}:9090/api/v1/query"
    status, text = page(f"{base}?{urlencode({'query': expression})}")
    assert status == 200
    found = json.loads(text)["data"]["result"]
    return {each["metric"]["instance"]: float(each["value"][1]) for each in found}


def await_probes(platform: Platform, *urls: str) -> None:
    """Wait until the blackbox exporter has seen these pages to be well, and no others are asked."""
    wanted = dict.fromkeys(urls, 1.0)
    asked = 'probe_success{job="blackbox"}'
    wait_for(f"probes of {urls}", lambda: metric(platform, asked) == wanted, every_s=1)


def reloads(platform: Platform, machine: str) -> int:
    said = "journalctl -u nginx -o cat | grep -c '^Reloaded nginx' || :"
    return int(answer(platform.lab, machine, said))


def shown(platform: Platform, machine: str) -> str:
    """The fingerprint of the certificate that Nginx shows."""
    asked = "openssl s_client -connect 127.0.0.1:443 -noservername </dev/null 2>/dev/null"
    return answer(platform.lab, machine, f"{asked} | {FINGERPRINT}")


def issuer(platform: Platform, machine: str) -> str:
    return answer(platform.lab, machine, f"openssl x509 -in {CERTIFICATE} -noout -issuer")


def nothing_to_do(platform: Platform, changes: Mapping[str, Any]) -> None:
    """Deploy the same again: it must change and restart nothing."""
    before = all_units(platform.lab)
    assert changed(platform.converge(changes)) == {}
    assert all_units(platform.lab) == before


def test_our_own_certificate_serves_both_pages(deployed: Platform) -> None:
    app, portal = (deployed.address(each) for each in ("vpsmanager", "observability"))
    before = all_units(deployed.lab)
    record = deployed.converge(OWN)
    assert {"observability", "vpsmanager"} == {target for target, _ in changed(record)}
    assert ("observability", "nginx.service") not in restarted(before, all_units(deployed.lab))
    assert ("vpsmanager", "nginx.service") not in restarted(before, all_units(deployed.lab))
    nothing_to_do(deployed, OWN)

    status, headers, text = secure_page(deployed, f"https://{app}/up")
    assert status == "HTTP/2 200" and json.loads(text)["mariadb"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    # It would keep people from accepting this certificate.
    assert "strict-transport-security" not in headers
    status, _, text = secure_page(deployed, f"https://{portal}/grafana/api/health")
    assert status == "HTTP/2 200" and json.loads(text)["database"] == "ok"

    unknown = curl(deployed, "", f"https://{app}/")
    assert unknown.returncode == 60, unknown
    old = curl(deployed, "-k --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0", f"https://{app}/")
    assert old.returncode == 35 and "alert protocol version" in old.stdout

    for address in (app, portal):
        status, headers, _ = parsed(curl(deployed, "", f"http://{address}/x?y=1").stdout)
        assert status == "HTTP/1.1 308 Permanent Redirect"
        assert headers["location"] == f"https://{address}/x?y=1"
    assert page(f"http://{portal}/healthz") == (200, "ok\n")
    await_probes(deployed, f"https://{app}/up", f"https://{portal}/healthz")
    assert len(metric(deployed, "probe_ssl_earliest_cert_expiry > time() + 86400")) == 2

    assert answer(deployed.lab, "vpsmanager", f"stat -Lc '%a %U' {FOLDER}/own/privkey.pem") == (
        "600 root"
    )
    env = answer(deployed.lab, "vpsmanager", "cat /var/www/laravel/shared/.env")
    assert f"https://{app}" in env and "SESSION_SECURE_COOKIE=true" in env


@pytest.mark.drill
def test_another_name_is_one_reload(named: Platform) -> None:
    named.converge(OWN)
    before, old = all_units(named.lab), shown(named, "vpsmanager")
    reloaded = reloads(named, "vpsmanager")
    name(named, named.address("vpsmanager"), NAME)
    changes = {**OWN, "settings.apps": {"laravel": {"domain": NAME}}}
    named.converge(changes)
    assert shown(named, "vpsmanager") != old
    assert reloads(named, "vpsmanager") == reloaded + 1
    assert ("vpsmanager", "nginx.service") not in restarted(before, all_units(named.lab))
    assert secure_page(named, f"https://{NAME}/up")[0] == "HTTP/2 200"
    nothing_to_do(named, changes)


@pytest.mark.drill
def test_without_it_all_is_as_before(deployed: Platform) -> None:
    app, portal = (deployed.address(each) for each in ("vpsmanager", "observability"))
    deployed.converge(OWN)
    deployed.converge()
    for address in (app, portal):
        assert page(f"http://{address}/")[0] == 200
        assert not reachable(address, 443)
    for machine in ("observability", "vpsmanager"):
        assert answer(deployed.lab, machine, f"ls -d {FOLDER} 2>/dev/null || :") == ""
        assert answer(deployed.lab, machine, "ufw status | grep -w 443 || :") == ""
    await_probes(deployed, f"http://{app}/up")
    nothing_to_do(deployed, {})


@pytest.mark.drill
def test_nobody_is_asked_for_a_name_that_leads_elsewhere(named: Platform, acme: Acme) -> None:
    elsewhere = named.address("observability")
    name(named, elsewhere, NAME)
    outcome = named.deploy(asked_of(acme, NAME))
    assert outcome.code == 1, outcome
    for words in (
        f"{NAME} resolves to {elsewhere}, where",
        "did not give what this server has there",
        f"expected: an address of this server ({named.address('vpsmanager')}",
        f"do: let the DNS record of {NAME} lead to this server",
    ):
        assert words in outcome.text, outcome
    assert acme.orders() == 0
    # Meanwhile there is our own.
    assert issuer(named, "vpsmanager") == f"issuer=CN={NAME}"
    assert reachable(named.address("vpsmanager"), 443)

    name(named, named.address("vpsmanager"), NAME)
    acme.point(NAME, elsewhere)
    outcome = named.deploy(asked_of(acme, NAME))
    assert outcome.code == 1, outcome
    # In certbot's own words.
    assert f"Domain: {NAME}" in outcome.text and "unauthorized" in outcome.text, outcome

    acme.point(NAME, named.address("vpsmanager"))
    named.converge(asked_of(acme, NAME))
    assert "Pebble" in issuer(named, "vpsmanager")
    nothing_to_do(named, asked_of(acme, NAME))


def test_a_certificate_is_obtained_shown_renewed_and_forgotten(named: Platform, acme: Acme) -> None:
    lab, app = named.lab, named.address("vpsmanager")
    for each in (NAME, OTHER_NAME):
        acme.point(each, app)
    name(named, app, NAME, OTHER_NAME)
    named.converge(asked_of(acme, NAME))
    orders, first = acme.orders(), shown(named, "vpsmanager")
    nothing_to_do(named, asked_of(acme, NAME))
    assert acme.orders() == orders
    status, headers, _ = parsed(curl(named, "", f"https://{NAME}/up").stdout)
    assert status == "HTTP/2 200"
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["x-content-type-options"] == "nosniff"
    # It knows the authorities that there were when it began.
    answer(lab, "observability", "systemctl restart prometheus-blackbox-exporter")
    await_probes(named, f"https://{NAME}/up")

    before, reloaded = all_units(lab), reloads(named, "vpsmanager")
    renew = "certbot renew --force-renewal --no-random-sleep-on-renew --quiet"
    answer(lab, "vpsmanager", renew)
    wait_for("the new certificate", lambda: shown(named, "vpsmanager") != first)
    second = shown(named, "vpsmanager")
    assert reloads(named, "vpsmanager") == reloaded + 1
    assert restarted(before, all_units(lab)) == set()
    assert answer(lab, "vpsmanager", "systemctl is-enabled certbot.timer") == "enabled"
    nothing_to_do(named, asked_of(acme, NAME))

    both = asked_of(acme, NAME, OTHER_NAME)
    named.converge(both)
    assert shown(named, "vpsmanager") not in (first, second)
    for each in (NAME, OTHER_NAME):
        assert parsed(curl(named, "", f"https://{each}/up").stdout)[0] == "HTTP/2 200"
    nothing_to_do(named, both)

    # A run that ended between obtaining it and using it is made up for.
    named.unsettle()
    answer(lab, "vpsmanager", f"ln -sfnT {FOLDER}/own {FOLDER}/live && systemctl reload nginx")
    assert changed(named.converge(both)) == {("vpsmanager", "certificate"): 2}
    assert parsed(curl(named, "", f"https://{NAME}/up").stdout)[0] == "HTTP/2 200"

    named.converge()
    assert answer(lab, "vpsmanager", f"ls -d {OBTAINED} {FOLDER} 2>/dev/null || :") == ""
    assert page(f"http://{app}/up")[0] == 200
    nothing_to_do(named, {})

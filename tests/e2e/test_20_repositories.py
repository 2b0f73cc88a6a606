"""The mirror's apt repositories and a real apt: what is sound installs and runs, the rest does not.

Nothing of the project is deployed here; the machines are fresh before and after.
"""

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machines import answer, page
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.lab import Lab, broken_repositories, mirror
from tests.lab.grafana_repository import Repository

PACKAGES = {"observability": ("loki", "grafana"), "vpsmanager": ("promtail", "alloy")}
UNITS = {
    "loki": "observability",
    "grafana-server": "observability",
    "promtail": "vpsmanager",
    "alloy": "vpsmanager",
}
KEYRING = "/etc/apt/keyrings/lab.asc"
SOURCE = "/etc/apt/sources.list.d/lab.sources"
APT = "DEBIAN_FRONTEND=noninteractive apt-get"
LOG = "/var/log/some-application.log"
PASSWORD = "a-password-for-the-lab"

PROMTAIL = """\
server: {{http_listen_port: 9080, grpc_listen_port: 0}}
positions: {{filename: /tmp/positions.yaml}}
clients: [{{url: "http://{loki}:3100/loki/api/v1/push", external_labels: {{host: vpsmanager}}}}]
scrape_configs:
  - job_name: application
    static_configs: [{{targets: [localhost], labels: {{job: application, __path__: {log}}}}}]
    pipeline_stages: [{{multiline: {{firstline: '^\\[', max_wait_time: 1s}}}}]
"""
ALLOY = """\
loki.relabel "journal" {{
  forward_to = []
  rule {{
    source_labels = ["__journal_syslog_identifier"]
    target_label  = "identifier"
  }}
}}
loki.source.journal "all" {{
  relabel_rules = loki.relabel.journal.rules
  forward_to    = [loki.write.observability.receiver]
}}
loki.write "observability" {{
  endpoint {{
    url = "http://{loki}:3100/loki/api/v1/push"
  }}
}}
"""
DATASOURCE = """\
apiVersion: 1
datasources: [{name: Loki, uid: loki, type: loki, url: "http://127.0.0.1:3100"}]
"""


@dataclass(frozen=True)
class Installed:
    """Both machines, with the packages as they came."""

    lab: Lab
    states: Mapping[str, str]


@pytest.fixture(scope="module")
def fresh_for_all(platform: Platform) -> Iterator[Platform]:
    """Fresh machines; those of later tests are fresh again."""
    platform.refresh()
    yield platform
    broken_repositories.remove(mirror.folder())
    platform.refresh()


@pytest.fixture(scope="module")
def installed(fresh_for_all: Platform) -> Installed:
    """Each package on the machine where a deployment would have it."""
    lab = fresh_for_all.lab
    for machine, packages in PACKAGES.items():
        _add_source(lab, machine, lab.apt_repository)
        answer(lab, machine, f"{APT} -qq update && {APT} -qq install {' '.join(packages)}")
    states = {
        unit: answer(lab, machine, f"systemctl is-active {unit} || :")
        for unit, machine in UNITS.items()
    }
    return Installed(lab, states)


def test_versions_say_what_they_are(installed: Installed) -> None:
    repository = installed.lab.apt_repository
    for machine, packages in PACKAGES.items():
        for package in packages:
            policy = answer(installed.lab, machine, f"apt-cache policy {package}")
            assert repository.url in policy
            for version in repository.versions[package]:
                assert version in policy
            about = answer(installed.lab, machine, f"apt-cache show {package}")
            assert ("Description: Stand-in for" in about) == (package in repository.standins)


def test_only_loki_and_promtail_start_at_once(installed: Installed) -> None:
    assert installed.states == {
        "loki": "active",
        "promtail": "active",
        "grafana-server": "inactive",
        "alloy": "inactive",
    }


def test_units_run_as_their_own_users(installed: Installed) -> None:
    for unit, machine in UNITS.items():
        user = answer(installed.lab, machine, f"systemctl show -p User --value {unit}")
        assert user == unit.removesuffix("-server")
        answer(installed.lab, machine, f"id {user}")
    groups = answer(installed.lab, "vpsmanager", "id -Gn alloy").split()
    assert {"adm", "systemd-journal"} <= set(groups)
    assert answer(installed.lab, "vpsmanager", "id -Gn promtail") == "nogroup"


def test_line_of_a_file_is_found_in_loki(installed: Installed) -> None:
    lab = installed.lab
    loki = lab.machine("observability").address
    _write(lab, "vpsmanager", "/etc/promtail/config.yml", PROMTAIL.format(loki=loki, log=LOG))
    checked = answer(
        lab, "vpsmanager", "promtail -check-syntax -config.file /etc/promtail/config.yml"
    )
    assert "Valid config file" in checked
    answer(lab, "vpsmanager", f"printf '[1] first\\n  of two\\n[2] second\\n' > {LOG}")
    answer(lab, "vpsmanager", "systemctl restart promtail")
    query = '{job="application",host="vpsmanager"} |= "first"'
    assert wait_for("the line", lambda: _lines(lab, query)) == ["[1] first\n  of two"]
    status, metrics = page(f"http://{lab.machine('vpsmanager').address}:9080/metrics")
    assert status == 200
    assert "promtail_sent_entries_total" in metrics


def test_line_of_the_journal_is_found_in_loki(installed: Installed) -> None:
    lab = installed.lab
    loki = lab.machine("observability").address
    _write(lab, "vpsmanager", "/etc/alloy/config.alloy", ALLOY.format(loki=loki))
    answer(lab, "vpsmanager", "alloy validate /etc/alloy/config.alloy")
    answer(lab, "vpsmanager", "systemctl start alloy && logger -t a-test words of a test")
    query = '{identifier="a-test"}'
    assert wait_for("the line", lambda: _lines(lab, query)) == ["words of a test"]
    ready = answer(
        lab,
        "vpsmanager",
        "exec 3<>/dev/tcp/127.0.0.1/12345"
        " && printf 'GET /-/ready HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3",
    )
    assert "Alloy is ready" in ready


def test_lines_outlive_a_restart_and_a_shipper_waits_for_loki(installed: Installed) -> None:
    lab = installed.lab
    answer(lab, "observability", "systemctl stop loki")
    answer(lab, "vpsmanager", f"echo '[3] while it was away' >> {LOG}")
    # Long enough for the shipper to have tried in vain.
    time.sleep(3)
    answer(lab, "observability", "systemctl start loki")
    wait_for("the late line", lambda: _lines(lab, '{job="application"} |= "away"'))
    assert _lines(lab, '{job="application"} |~ "second$"') == ["[2] second"]


def test_loki_refuses_what_it_does_not_know(installed: Installed) -> None:
    command = (
        "sed 's/^schema_config:/schema_confik:/' /etc/loki/config.yml >/tmp/refused.yml;"
        " loki -verify-config -config.file=/tmp/refused.yml 2>&1"
    )
    refused = installed.lab.run("observability", command, check=False)
    assert refused.returncode == 1
    assert "field schema_confik not found in type loki.ConfigWrapper" in refused.stdout
    answer(installed.lab, "observability", "loki -verify-config -config.file=/etc/loki/config.yml")


def test_grafana_is_healthy_and_reaches_loki(installed: Installed) -> None:
    lab = installed.lab
    provisioning = "/etc/grafana/provisioning/datasources/loki.yaml"
    _write(lab, "observability", provisioning, DATASOURCE)
    answer(lab, "observability", "systemctl start grafana-server")
    wait_for("Grafana", lambda: _grafana(lab, "/api/health", "admin:admin")[0] == 200)
    assert _grafana(lab, "/api/health")[1]["database"] == "ok"
    assert _grafana(lab, "/api/datasources")[0] == 401
    assert _grafana(lab, "/api/datasources/uid/loki/health", "admin:admin")[1]["status"] == "OK"

    reset = "grafana-cli admin reset-admin-password --password-from-stdin"
    done = lab.run("observability", reset, input=f"{PASSWORD}\n")
    assert "changed successfully" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert _grafana(lab, "/api/org", "admin:admin")[0] == 401
    answer(lab, "observability", "systemctl restart grafana-server")
    wait_for("Grafana", lambda: _grafana(lab, "/api/health")[0] == 200)
    assert _grafana(lab, "/api/org", f"admin:{PASSWORD}")[0] == 200


@pytest.mark.parametrize(
    ("publish", "words"),
    [
        (broken_repositories.wrong_key, "Missing key"),
        (broken_repositories.expired_key, "Expired on 2024-01-02"),
        (broken_repositories.unsigned, "is not signed"),
        (broken_repositories.tampered_release, "Message has been manipulated"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_apt_refuses_the_lists(
    fresh_for_all: Platform, publish: Callable[[Path, str], Repository], words: str
) -> None:
    lab = fresh_for_all.lab
    repository = publish(mirror.folder(), str(lab.network.gateway))
    _add_source(lab, "vpsmanager", repository)
    refused = _update_alone(lab)
    assert refused.returncode == 100
    assert words in refused.stdout
    assert f"{repository.url} stable" in refused.stdout


def test_apt_refuses_the_lists_of_another_key(fresh_for_all: Platform) -> None:
    """Who checks the fingerprint trusts the announced key alone, whatever the mirror offers."""
    lab = fresh_for_all.lab
    repository = broken_repositories.other_key(mirror.folder(), str(lab.network.gateway))
    _add_source(lab, "vpsmanager", repository, key_url=lab.apt_repository.key_url)
    refused = _update_alone(lab)
    assert refused.returncode == 100
    assert "Missing key" in refused.stdout


def test_apt_refuses_the_package(fresh_for_all: Platform) -> None:
    lab = fresh_for_all.lab
    repository = broken_repositories.tampered_package(mirror.folder(), str(lab.network.gateway))
    _add_source(lab, "vpsmanager", repository)
    done = _update_alone(lab)
    assert done.returncode == 0, done.stdout
    refused = lab.run("vpsmanager", f"{APT} download loki 2>&1", check=False)
    assert refused.returncode == 100
    assert "Hash Sum mismatch" in refused.stdout


def _add_source(lab: Lab, machine: str, repository: Repository, key_url: str = "") -> None:
    status, key = page(key_url or repository.key_url)
    assert status == 200
    _write(lab, machine, KEYRING, key)
    _write(lab, machine, SOURCE, f"{repository.sources}Signed-By: {KEYRING}\n")


def _update_alone(lab: Lab) -> Any:
    """Update the lists of the lab's source and of no other."""
    options = f"-o Dir::Etc::SourceList={SOURCE} -o Dir::Etc::SourceParts=-"
    return lab.run("vpsmanager", f"{APT} {options} update 2>&1", check=False)


def _write(lab: Lab, machine: str, path: str, text: str) -> None:
    lab.run(machine, f"mkdir -p {Path(path).parent} && cat > {path}", input=text)


def _lines(lab: Lab, query: str) -> list[str]:
    """What Loki has for a query, newest first; nothing while it does not answer."""
    address = f"http://{lab.machine('observability').address}:3100/loki/api/v1/query_range"
    status, text = page(f"{address}?{urllib.parse.urlencode({'query': query})}")
    if status != 200:
        return []
    streams = json.loads(text)["data"]["result"]
    return [line for stream in streams for _, line in stream["values"]]


def _grafana(lab: Lab, path: str, user: str = "") -> tuple[int, Any]:
    """Status and content of Grafana's answer; status 0 where there is none."""
    address = lab.machine("observability").address
    request = urllib.request.Request(f"http://{address}:3000{path}")
    if user:
        pair = base64.b64encode(user.encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as given:
            return given.status, json.loads(given.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError:
        return 0, None

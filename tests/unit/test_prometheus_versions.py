"""Releases of Prometheus: their order, where each reads its retention, and steps back."""

from pathlib import Path

import pytest
import yaml
from pyinfra.context import ctx_host, ctx_state

from configs.findings import Finding
from tasks.prometheus.places import CONFIG_FILE, UNIT_FILE
from tasks.prometheus.preflight import check_step_back
from tasks.prometheus.versions import order, reads_retention_from_file, started_by
from tests.unit.helpers import INVENTORY, configuration, fake_state
from tests.unit.test_stacks import Declaration, spy_on_texts


def test_releases_are_ordered_by_their_numbers() -> None:
    releases = ["2.9.0", "2.53.3", "2.55.0-rc.1", "2.55.0", "3.0.0-beta.1", "3.0.0", "3.10.0"]
    assert sorted(reversed(releases), key=order) == releases
    with pytest.raises(ValueError, match="'latest' is no release"):
        order("latest")


@pytest.mark.parametrize(
    ("version", "reads"),
    [("2.53.3", False), ("3.8.1", False), ("3.10.0", False), ("3.11.0", True), ("3.13.2", True)],
)
def test_only_releases_that_read_the_retention_correctly_get_it_in_the_file(
    version: str, reads: bool
) -> None:
    assert reads_retention_from_file(version) == reads


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("ExecStart=/opt/prometheus/3.5.3/prometheus \\", "3.5.3"),
        ("ExecStart=/usr/bin/prometheus", ""),
        ("ExecStart=/opt/prometheus/latest/prometheus", ""),
    ],
)
def test_the_installed_release_is_that_of_the_unit(line: str, version: str) -> None:
    assert started_by(["[Service]", line]) == version


def findings(tmp_path: Path, wanted: str, unit: str, name: str = "observability") -> list[Finding]:
    """What is found on a target with this unit of Prometheus."""
    sha256 = f"{{amd64: {'a' * 64}}}"
    text = (
        "targets:\n  observability: {role: observability, address: 10.9.0.11}\n"
        "  vpsmanager: {role: vpsmanager, address: 10.9.0.21}\n"
        f'settings: {{prometheus: {{version: "{wanted}", sha256: {sha256}}}}}\n'
    )
    target = configuration(tmp_path, text).targets[name]
    state = fake_state([name], {UNIT_FILE: unit})
    host = state.inventory.get_host(f"@fake/{name}")
    with ctx_state.use(state), ctx_host.use(host):
        return check_step_back(target)


def test_an_unsupported_step_back_is_warned_of(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "2.53.3", "ExecStart=/opt/prometheus/3.5.3/prometheus \\")
    assert found.warning
    assert found.found == "a step back from 3.5.3 to 2.53.3"
    assert "2.55.0 at least" in found.expected
    assert "prometheus.version" in found.remedy


@pytest.mark.parametrize(
    ("wanted", "installed"),
    [("2.55.0", "3.5.3"), ("3.5.3", "3.8.1"), ("2.53.3", "2.54.0"), ("2.53.3", "2.53.3")],
)
def test_other_steps_are_not(tmp_path: Path, wanted: str, installed: str) -> None:
    assert findings(tmp_path, wanted, f"ExecStart=/opt/prometheus/{installed}/prometheus") == []


def test_first_deploys_and_other_targets_are_not(tmp_path: Path) -> None:
    assert findings(tmp_path, "2.53.3", "") == []
    unit = "ExecStart=/opt/prometheus/3.5.3/prometheus"
    assert findings(tmp_path, "2.53.3", unit, "vpsmanager") == []


@pytest.mark.parametrize(("version", "in_file"), [("3.10.1", False), ("3.13.2", True)])
def test_the_retention_is_in_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, in_file: bool
) -> None:
    texts = spy_on_texts(monkeypatch)
    pin = f'prometheus: {{version: "{version}", sha256: {{amd64: {"a" * 64}}}}}, '
    inventory = INVENTORY.replace("settings: {", f"settings: {{{pin}")
    Declaration(fake_state(["observability"]), "observability", tmp_path, inventory)
    unit, config = texts[UNIT_FILE], yaml.safe_load(texts[CONFIG_FILE])
    assert ("--storage.tsdb.retention.time=15d \\\n" in unit) != in_file
    assert ("--storage.tsdb.retention.size=51200MB \\\n" in unit) != in_file
    wanted = {"tsdb": {"retention": {"time": "15d", "size": "51200MB"}}}
    assert config.get("storage") == (wanted if in_file else None)
    assert "Environment=GOMEMLIMIT=512MiB\n" in unit

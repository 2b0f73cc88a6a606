"""Pinned versions, known-broken releases, and how a pin is moved."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from configs import Configuration, ConfigurationError
from configs.debian_versions import compare, upstream, version_key
from configs.documents import Document
from configs.loader import judge, read_sources
from configs.pin_editing import NoChecksums, fetch_checksums, move_pin, replace_pin
from configs.pins import VERSIONS, read_versions
from configs.versions import BrokenRelease, Versions, load_versions, parse
from tests.unit.helpers import configuration

PINS = load_versions().pins
DIGEST = "c" * 64
INVENTORY = """
targets:
  watch: {{role: observability, address: 10.9.0.11}}
  web: {{role: vpsmanager, address: 10.9.0.21}}
settings: {settings}
"""
_TEXT = st.text(alphabet="0129.+~abZ-", max_size=8)


def load(folder: Path, settings: str = "{}") -> Configuration:
    return configuration(folder, INVENTORY.format(settings=settings))


def release(versions: str, installed: str | None = None) -> BrokenRelease:
    return BrokenRelease(
        package="loki",
        versions=versions,
        installed=installed,
        refuse=True,
        why="it fails",
        symptom="no logs",
        until="it is gone",
    )


# The order of versions


@pytest.mark.parametrize(
    "ordered",
    [
        ["1.9.9", "1.10", "1.18.1-1", "1.18.1-2", "2"],
        ["1.0~rc1", "1.0", "1.0+b1", "1.0.1"],
        ["3.7.6", "1:0.1"],
        ["2.53.3", "2.53.3+ds1-2", "3.13.2"],
    ],
)
def test_versions_are_ordered_as_dpkg_orders_them(ordered: list[str]) -> None:
    assert sorted(reversed(ordered), key=version_key) == ordered


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
@settings(max_examples=60)
@given(left=_TEXT, right=_TEXT)
def test_order_agrees_with_dpkg(left: str, right: str) -> None:
    # A version begins with a digit, and a revision is not empty.
    one, other = f"1{left}x", f"1{right}x"
    order = compare(one, other)
    sign = "lt" if order < 0 else "gt" if order else "eq"
    assert subprocess.run(["dpkg", "--compare-versions", one, sign, other]).returncode == 0


def test_upstream_version_has_neither_epoch_nor_revision() -> None:
    assert upstream("1.18.1-1") == "1.18.1"
    assert upstream("5:8.0.2-3+deb13u3") == "8.0.2"
    assert upstream("3.7.6") == "3.7.6"


# What a version setting means


def test_version_settings_are_pinned_by_default(tmp_path: Path) -> None:
    settings = load(tmp_path).targets["watch"].settings
    assert settings.grafana.version == PINS.grafana.version
    assert settings.loki.version == PINS.loki.version
    assert settings.logs.version == PINS.alloy.version
    assert settings.prometheus.version == PINS.prometheus.version
    assert settings.prometheus.sha256 == PINS.prometheus.sha256


def test_pin_of_the_log_shipper_follows_the_shipper(tmp_path: Path) -> None:
    settings = load(tmp_path, "{logs: {shipper: promtail}}").targets["web"].settings
    assert settings.logs.version == PINS.promtail.version


def test_versions_of_apt_and_latest_stay_possible(tmp_path: Path) -> None:
    text = '{logs: {version: "1.19.0-1"}, loki: {version: latest}}'
    settings = load(tmp_path, text).targets["web"].settings
    assert (settings.logs.version, settings.loki.version) == ("1.19.0-1", "latest")


def test_a_target_may_return_to_the_pin(tmp_path: Path) -> None:
    """The checksums of the common version do not stay with it."""
    common = f"{{prometheus: {{version: 3.9.0, sha256: {{amd64: {DIGEST}}}}}}}"
    text = INVENTORY.format(settings=common).replace(
        "10.9.0.11}", "10.9.0.11, settings: {prometheus: {version: pinned}}}"
    )
    targets = configuration(tmp_path, text).targets
    assert targets["watch"].settings.prometheus.sha256 == PINS.prometheus.sha256
    assert targets["web"].settings.prometheus.sha256 == {"amd64": DIGEST}


def test_checksums_without_a_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, f"{{prometheus: {{sha256: {{amd64: {DIGEST}}}}}}}")
    [problem] = refused.value.problems
    assert problem.key == "settings.prometheus.sha256"
    assert problem.found == "checksums without a version: the pinned version has its own"
    assert problem.expected == "a version and its sha256 together, or neither"


def test_latest_is_not_for_prometheus(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, "{prometheus: {version: latest}}")
    [problem] = refused.value.problems
    assert problem.key == "settings.prometheus.version"
    assert "pinned, or a release number" in problem.expected


# The file


def test_the_released_file_pins_releases_that_work() -> None:
    versions = load_versions()
    for package in ("grafana", "loki", "alloy", "promtail", "prometheus"):
        pin = versions.pins.version_of(package)
        assert versions.faults_of(package, pin) == [], package
    assert set(PINS.prometheus.sha256) == {"amd64", "arm64"}


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('version: "3.7.6"', "version: 3.7", "pins.loki.version"),
        ('version: "3.7.6"', "", "pins.loki.version"),
        ("  promtail:", "  promtale:", "pins.promtale"),
        ('versions: "< 1.9"', 'versions: "older than 1.9"', "broken[3].versions"),
        ("arm64: 7cecb", "arm64: 7CECB", "pins.prometheus.sha256.arm64"),
    ],
)
def test_a_file_that_was_damaged_is_refused(old: str, new: str, key: str) -> None:
    text = VERSIONS.read_text()
    assert old in text
    document = Document("versions.yaml", data=yaml.safe_load(text.replace(old, new)))
    versions, problems = parse(document)
    assert versions is None
    assert key in [problem.key for problem in problems]
    for problem in problems:
        assert problem.expected == "the content as configs/versions.py describes it"
        assert "git checkout configs/versions.yaml" in problem.remedy


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    missing = read_versions(tmp_path / "versions.yaml")
    assert parse(missing)[1][0].found == "no such file"
    sources = read_sources(tmp_path / "none.yaml", {}, {})
    with pytest.raises(ConfigurationError) as refused:
        judge(tmp_path / "none.yaml", replace(sources, versions=missing))
    assert [problem.found for problem in refused.value.problems] == ["no such file"] * 2


# Known-broken releases


@pytest.mark.parametrize(
    ("conditions", "version", "is_meant"),
    [
        ("= 13.2.0", "13.2.0", True),
        ("= 13.2.0", "13.2.0-1", True),
        ("= 13.2.0", "13.2.1", False),
        (">= 13.1.0, <= 13.1.1", "13.1.1", True),
        (">= 13.1.0, <= 13.1.1", "13.1.2", False),
        (">= 13.1.0, <= 13.1.1", "13.0.9", False),
        ("< 3.13.2", "3.8.1", True),
        ("< 3.13.2", "3.13.2", False),
        ("< 1.9", "1.18.1-1", False),
        ("> 1.9", "1.18.1-1", True),
    ],
)
def test_conditions_of_a_broken_release(conditions: str, version: str, is_meant: bool) -> None:
    assert release(conditions).matches(version) is is_meant


def test_a_broken_step_needs_the_version_before() -> None:
    step = release("= 13.2.1", installed="= 13.2.0")
    assert step.matches("13.2.1", "13.2.0")
    assert not step.matches("13.2.1", "13.1.4")
    assert not step.matches("13.2.1")


def test_known_faults_of_the_released_file() -> None:
    versions = load_versions()
    assert [entry.refuse for entry in versions.faults_of("grafana", "13.2.0")] == [True]
    assert versions.faults_of("grafana", "13.2.1", None) == []
    assert [entry.refuse for entry in versions.faults_of("grafana", "13.2.1", "13.2.0")] == [True]
    assert [entry.refuse for entry in versions.faults_of("prometheus", "3.8.1")] == [False]
    for version in ("1.16.0-1", "1.17.3-1", "1.18.1-1", "1.19.0-1"):
        assert versions.faults_of("alloy", version) == []
    assert versions.without_refused("grafana", ["13.2.1", "13.2.0", "13.0.1"]) == [
        "13.2.1",
        "13.0.1",
    ]


# Moving a pin


def test_a_moved_pin_changes_its_lines_alone() -> None:
    before = VERSIONS.read_text()
    after = replace_pin(before, "loki", "3.7.7")
    changed = [
        (old, new)
        for old, new in zip(before.splitlines(), after.splitlines(), strict=True)
        if old != new
    ]
    assert [new.strip().split(":")[0] for _, new in changed] == ["version", "origin"]
    assert changed[0] == (f'    version: "{PINS.loki.version}"', '    version: "3.7.7"')
    assert f"moved here from {PINS.loki.version} on 20" in changed[1][1]
    assert Versions.model_validate(yaml.safe_load(after)).pins.loki.version == "3.7.7"


def test_a_moved_prometheus_takes_its_checksums_along(tmp_path: Path) -> None:
    path = tmp_path / "versions.yaml"
    path.write_text(VERSIONS.read_text())
    path.chmod(0o640)
    move_pin("prometheus", "3.14.0", {"amd64": "d" * 64, "arm64": "e" * 64}, path)
    versions, problems = parse(read_versions(path))
    assert versions, problems
    assert versions.pins.prometheus.version == "3.14.0"
    assert versions.pins.prometheus.sha256 == {"amd64": "d" * 64, "arm64": "e" * 64}
    assert versions.pins.loki == PINS.loki
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["versions.yaml"]
    assert "# Of prometheus-<version>.linux-<architecture>.tar.gz" in path.read_text()


def test_a_pin_that_is_not_there() -> None:
    with pytest.raises(LookupError, match=r"versions\.yaml has no tempo"):
        replace_pin(VERSIONS.read_text(), "tempo", "1")


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[Callable[[str, str], str]]:
    """A web server with releases: publish the sums of one, and get the server's URL."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def publish(version: str, sums: str) -> str:
        (tmp_path / f"v{version}").mkdir()
        (tmp_path / f"v{version}" / "sha256sums.txt").write_text(sums)
        return f"http://127.0.0.1:{server.server_port}"

    yield publish
    server.shutdown()
    server.server_close()


def test_checksums_come_from_the_release(releases: Callable[[str, str], str]) -> None:
    lines = [
        f"{'1' * 64}  prometheus-3.14.0.darwin-arm64.tar.gz",
        f"{'2' * 64}  prometheus-3.14.0.linux-amd64.tar.gz",
        f"{'3' * 64}  prometheus-3.14.0.linux-arm64.tar.gz",
        f"{'4' * 64}  prometheus-3.14.0.linux-armv7.tar.gz",
    ]
    url = releases("3.14.0", "\n".join(lines) + "\n")
    assert fetch_checksums(url, "3.14.0") == {"amd64": "2" * 64, "arm64": "3" * 64}


def test_checksums_that_are_not_to_be_had(releases: Callable[[str, str], str]) -> None:
    url = releases("3.14.1", f"{'2' * 64}  prometheus-3.14.1.linux-amd64.tar.gz\n")
    with pytest.raises(NoChecksums, match=r"v3\.14\.1/sha256sums\.txt: no checksum for arm64"):
        fetch_checksums(url, "3.14.1")
    with pytest.raises(NoChecksums, match="nothing that could be read"):
        fetch_checksums(url, "3.14.2")

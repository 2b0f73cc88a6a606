"""`python -m configs versions`: what it shows, what it writes, and what it refuses."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import state.commands.versions as command
from configs.__main__ import main
from configs.pin_editing import NoChecksums, move_pin
from configs.pins import VERSIONS, read_versions
from configs.versions import Versions, load_versions, parse
from state.commands import remote
from state.reaching import Unreachable
from state.refusing import Refusal
from tests.unit.helpers import fake_state
from tests.unit.keys import PRIVATE_KEY

PINS = load_versions().pins
URL = "https://apt.grafana.com"
INVENTORY = """
ssh: {{user: root, key: {home}/key, known_hosts: {home}/hosts}}
targets:
  watch: {{role: observability, address: 10.9.0.11}}
  web: {{role: vpsmanager, address: 10.9.0.21, settings: {{logs: {{version: latest}}}}}}
"""
OFFERS = [
    f"offer=grafana=13.2.4 {URL}",
    f"offer=grafana=13.2.0 {URL}",
    "offer=loki=9.9-1 http://mirror.example/debian",
    f"offer=loki=3.7.7 {URL}",
    f"offer=alloy=1.21.2-1 {URL}",
]
INSTALLED = ["grafana=13.2.3", "alloy=1.18.1-1", "prometheus=3.8.1"]


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Versions]:
    """A versions.yaml that may be changed; call it to read it."""
    path = tmp_path / "versions.yaml"
    path.write_text(VERSIONS.read_text())

    def move(package: str, version: str, sha256: Any = None) -> None:
        move_pin(package, version, sha256, path)

    monkeypatch.setattr(command, "move_pin", move)

    def read() -> Versions:
        versions, problems = parse(read_versions(path))
        assert versions, problems
        return versions

    return read


@pytest.fixture(autouse=True)
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(PRIVATE_KEY)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "hosts").touch()
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY.format(home=tmp_path))
    monkeypatch.setenv("CHOM_INVENTORY", str(path))


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let targets answer, or not."""

    def answer(offers: Sequence[str] = OFFERS, failed: Sequence[Unreachable] = ()) -> None:
        @contextmanager
        def targets(names: Sequence[str]) -> Iterator[Any]:
            reached = [n for n in names or ("watch", "web") if n not in [f.target for f in failed]]
            state = fake_state(
                reached, {"read_vendors": list(offers), "dpkg-query": list(INSTALLED)}
            )
            hosts = [state.inventory.get_host(f"@fake/{name}") for name in reached]
            for host, name in zip(hosts, reached, strict=True):
                host.name = name
            yield hosts, list(failed)

        monkeypatch.setattr(remote, "targets", targets)

    return answer


def test_versions_of_each_target_as_json(
    answering: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answering()
    assert main(["versions", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["problems"] == []
    watch = found["targets"]["watch"]
    assert watch["grafana"] == {
        "pinned": PINS.grafana.version,
        "set": "pinned",
        "installed": "13.2.3",
        "newest": "13.2.4",
    }
    # Debian's package of that name is another program, and this one is not installed.
    assert (watch["loki"]["installed"], watch["loki"]["newest"]) == (None, "3.7.7")
    assert (watch["prometheus"]["installed"], watch["prometheus"]["newest"]) == ("3.8.1", None)
    assert {name: its["set"] for name, its in found["targets"]["web"].items()} == {
        "alloy": "latest"
    }


def test_a_broken_release_is_not_the_newest(
    answering: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answering([f"offer=grafana=13.2.0 {URL}", f"offer=grafana=13.1.4 {URL}"])
    assert main(["versions", "watch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["target", "package", "pinned", "set", "installed", "newest"]
    pin = PINS.grafana.version
    assert lines[1].split() == ["watch", "grafana", pin, "pinned", "13.2.3", "13.1.4"]


def test_a_target_that_does_not_answer_is_a_problem(
    answering: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answering([f"failed={URL}/dists/stable/InRelease no answer"], [Unreachable("web", "no", "go")])
    assert main(["versions", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["problems"] == ["web: no; go", f"watch: {URL}/dists/stable/InRelease: no answer"]
    assert list(found["targets"]) == ["watch"]


def test_a_pin_moves_to_the_newest_version(
    answering: Callable[..., None],
    pins: Callable[[], Versions],
    capsys: pytest.CaptureFixture[str],
) -> None:
    answering()
    assert main(["versions", "--upgrade", "loki"]) == 0
    told = capsys.readouterr().out
    assert f"loki: {PINS.loki.version} → 3.7.7 in configs/versions.yaml" in told
    assert "git diff configs/versions.yaml" in told
    assert pins().pins.loki.version == "3.7.7"


def test_a_named_version_asks_no_target(pins: Callable[[], Versions]) -> None:
    assert main(["versions", "--upgrade", "promtail=3.6.16"]) == 0
    assert pins().pins.promtail.version == "3.6.16"


def test_a_pin_that_is_there_already(
    pins: Callable[[], Versions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["versions", "--upgrade", f"loki={PINS.loki.version}"]) == 0
    assert f"loki is pinned to {PINS.loki.version} already" in capsys.readouterr().out
    assert pins().pins == PINS


def test_prometheus_moves_with_its_checksums(
    pins: Callable[[], Versions],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sums = {"amd64": "d" * 64, "arm64": "e" * 64}
    monkeypatch.setattr(command, "fetch_checksums", lambda url, version: sums)
    assert main(["versions", "--upgrade", "prometheus=3.9.0"]) == 0
    assert pins().pins.prometheus.sha256 == sums
    told = capsys.readouterr().out
    assert f"amd64: {'d' * 64}" in told
    # What it has known faults of is said, and left to the operator.
    assert "known vulnerabilities" in told


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("lok", "found: the package 'lok'\nexpected: one of grafana, loki"),
        ("lok", "did you mean loki?"),
        ("loki=3.7 6", "found: the version '3.7 6'"),
        ("loki=x", "a version as the repository has it, such as 3.7.6"),
        ("prometheus", "nothing tells which release is the newest"),
        ("promtail", "promtail without a version, and no target has it"),
        ("grafana=13.2.0", "grafana 13.2.0, which is known to be broken: the package does not"),
    ],
)
def test_what_no_pin_can_be_moved_to(
    wanted: str, words: str, pins: Callable[[], Versions], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["versions", "--upgrade", wanted]) == 1
    assert words in capsys.readouterr().err
    assert pins().pins == PINS


def test_checksums_that_cannot_be_had_move_nothing(
    pins: Callable[[], Versions],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(url: str, version: str) -> None:
        raise NoChecksums(f"{url}/v{version}/sha256sums.txt", "no checksum for arm64")

    monkeypatch.setattr(command, "fetch_checksums", fail)
    assert main(["versions", "--upgrade", "prometheus=3.14.0"]) == 1
    told = capsys.readouterr().err
    assert "v3.14.0/sha256sums.txt: no checksum for arm64" in told
    assert "the checksums of the release for amd64 and arm64" in told
    assert pins().pins == PINS


def test_a_repository_without_the_package(
    answering: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    answering([])
    assert main(["versions", "--upgrade", "loki"]) == 1
    told = capsys.readouterr().err
    assert f"no version of loki in {URL}" in told
    assert "a repository that has the package" in told


def test_a_target_that_the_inventory_does_not_have() -> None:
    with pytest.raises(Refusal) as refused:
        raise remote._unknown("watsh", ["watch", "web"])
    assert "the target 'watsh'" in str(refused.value)
    assert "one of the inventory: watch, web" in str(refused.value)

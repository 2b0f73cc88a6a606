"""The mirror's apt repositories: their format, their signatures, and what is in them."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from configs.versions import load_versions
from tests.lab import (
    apt_repository,
    broken_repositories,
    grafana_repository,
    paths,
    php_repository,
    signing,
    standin_packages,
)
from tests.lab.grafana_repository import Repository
from tests.lab.pins import pinned
from tests.lab.shell import LabError, run
from tests.lab.signing import SigningKey

ADDRESS = "10.66.0.1"
BREAK = [
    broken_repositories.wrong_key,
    broken_repositories.other_key,
    broken_repositories.expired_key,
    broken_repositories.unsigned,
    broken_repositories.tampered_package,
    broken_repositories.tampered_release,
]


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    """A lab's cache of its own; its name is short, as gpg's agent makes a socket in it."""
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed: apt-get install gnupg")
    folder = Path(tempfile.mkdtemp(prefix="lab-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def mirror(cache: Path) -> Iterator[Path]:
    """The mirror's folder with the good repository in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "cache", lambda: cache)
        patch.delenv(grafana_repository.DEBS_VARIABLE, raising=False)
        grafana_repository.publish(cache / "mirror")
        yield cache / "mirror"


def _verified(repository: Path, signed: str, *rest: str) -> subprocess.CompletedProcess[str]:
    """What gpg says of a signature, knowing nothing but the key that the repository offers."""
    suite = repository / "dists/stable"
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        base = ("gpg", "--homedir", home, "--batch", "--status-fd", "1")
        run(*base, "--import", str(repository / "gpg.key"))
        files = [str(suite / name) for name in (signed, *rest)]
        done = run(*base, "--verify", *files, check=False)
        run("gpgconf", "--homedir", home, "--kill", "all", check=False)
    return done


# the good one


def test_it_has_the_files_of_grafanas_own(mirror: Path) -> None:
    repository = mirror / "grafana"
    names = {str(path.relative_to(repository)) for path in repository.rglob("*") if path.is_file()}
    assert {
        "gpg.key",
        "dists/stable/InRelease",
        "dists/stable/Release",
        "dists/stable/Release.gpg",
        "dists/stable/main/binary-amd64/Packages.gz",
        "dists/stable/main/binary-arm64/Packages",
        f"pool/main/g/grafana/grafana_{load_versions().pins.grafana.version}_all.deb",
    } <= names
    key = (repository / "gpg.key").read_text()
    assert key.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")


def test_every_sum_is_that_of_its_file(mirror: Path) -> None:
    suite = mirror / "grafana/dists/stable"
    release = (suite / "Release").read_text()
    sums = re.findall(r"^ ([0-9a-f]{64}) +(\d+) (\S+)$", release, re.MULTILINE)
    assert len(sums) == 4
    for sha256, size, name in sums:
        content = (suite / name).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), str(len(content))) == (sha256, size)

    index = suite / "main/binary-amd64/Packages"
    assert gzip.decompress(index.with_name("Packages.gz").read_bytes()) == index.read_bytes()
    stanzas = [
        dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        for text in index.read_text().split("\n\n")
    ]
    names = {(each["Package"], each["Version"]) for each in stanzas}
    assert names == {(each.name, each.version) for each in grafana_repository.standins()}
    assert len(names) == len(stanzas) > len(standin_packages.NAMES)
    for each in stanzas:
        content = (mirror / "grafana" / each["Filename"]).read_bytes()
        assert each["SHA256"] == hashlib.sha256(content).hexdigest()
        assert each["Size"] == str(len(content))
        assert each["Description"].startswith("Stand-in for Grafana")
        assert each["Description"].endswith(": not the real program")


@pytest.mark.parametrize("files", [("InRelease",), ("Release.gpg", "Release")])
def test_its_signatures_are_those_of_the_announced_key(mirror: Path, files: tuple[str]) -> None:
    said = _verified(mirror / "grafana", *files)
    fingerprint = grafana_repository.published(mirror, ADDRESS).fingerprint
    assert said.returncode == 0, said.stderr
    assert f"VALIDSIG {fingerprint}" in said.stdout


def test_no_agent_and_no_open_keyring_is_left(mirror: Path) -> None:
    home = paths.cache() / "signing-key"
    assert home.stat().st_mode & 0o777 == 0o700
    assert list(home.glob("S.gpg-agent*")) == []


def test_what_a_deployment_is_told(mirror: Path) -> None:
    repository = grafana_repository.published(mirror, ADDRESS)
    assert repository.url == "http://10.66.0.1:8066/grafana"
    assert repository.key_url == "http://10.66.0.1:8066/grafana/gpg.key"
    assert re.fullmatch(r"[0-9A-F]{40}", repository.fingerprint)
    assert repository.standins == ("grafana", "loki", "promtail", "alloy")
    assert repository.summary() == (
        "grafana, loki, promtail, alloy: stand-ins (CHOM_LAB_DEBS names a folder of real ones)"
    )
    with pytest.raises(LabError, match="bring a lab up first"):
        grafana_repository.published(mirror / "nowhere", ADDRESS)


def test_it_is_made_again_only_for_other_packages(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (mirror / "grafana").resolve()
    grafana_repository.publish(mirror)
    assert (mirror / "grafana").resolve() == first

    real = _package(tmp_path, "loki", "3.6.1")
    monkeypatch.setenv(grafana_repository.DEBS_VARIABLE, str(tmp_path))
    grafana_repository.publish(mirror)
    repository = grafana_repository.published(mirror, ADDRESS)
    assert repository.standins == ("grafana", "promtail", "alloy")
    assert repository.summary().endswith("; loki: real packages")
    assert (mirror / "grafana/pool/main/l/loki" / real.name).read_bytes() == real.read_bytes()
    assert not first.exists()

    monkeypatch.delenv(grafana_repository.DEBS_VARIABLE)
    grafana_repository.publish(mirror)
    assert "loki" in grafana_repository.published(mirror, ADDRESS).standins


def test_folders_that_hold_no_real_packages_are_refused(tmp_path: Path) -> None:
    assert grafana_repository.real_packages("") == {}
    with pytest.raises(LabError, match="is no folder"):
        grafana_repository.real_packages(str(tmp_path / "missing"))
    _package(tmp_path, "other", "1")
    with pytest.raises(LabError, match=r"no \.deb of any of grafana, loki"):
        grafana_repository.real_packages(str(tmp_path))
    _package(tmp_path, "loki", "1")
    _package(tmp_path, "loki", "2")
    assert len(grafana_repository.real_packages(str(tmp_path))["loki"]) == 2
    shutil.copy(tmp_path / "loki_2_all.deb", tmp_path / "once-more.deb")
    with pytest.raises(LabError, match=r"has loki 2 twice: remove once-more\.deb"):
        grafana_repository.real_packages(str(tmp_path))


def test_a_release_says_when_it_was_made() -> None:
    made = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    text = apt_repository.release_text({"main/x": b"words"}, made)
    assert "Date: Fri, 02 Jan 2026 03:04:05 UTC\n" in text
    assert text.endswith(f" {hashlib.sha256(b'words').hexdigest()}         5 main/x\n")


# the broken ones


@pytest.mark.parametrize("spoil", BREAK, ids=lambda each: str(each.__name__))
def test_broken_repositories_are_broken_in_one_way(mirror: Path, spoil: object) -> None:
    assert callable(spoil)
    repository: Repository = spoil(mirror, ADDRESS)
    name = repository.url.rpartition("/")[2]
    made = mirror / "broken" / name
    good = grafana_repository.published(mirror, ADDRESS).fingerprint
    if name == "unsigned":
        assert not (made / "dists/stable/InRelease").exists()
        assert (made / "dists/stable/Release").exists()
        return
    said = _verified(made, "InRelease").stdout
    expected = {
        "wrong-key": "NO_PUBKEY",
        "other-key": "VALIDSIG",
        "expired-key": "EXPKEYSIG",
        "tampered-package": f"VALIDSIG {good}",
        "tampered-release": "BADSIG",
    }
    assert expected[name] in said, said
    if name == "other-key":
        assert repository.fingerprint == good
        assert good not in said
    if name == "expired-key":
        assert f"VALIDSIG {repository.fingerprint}" in said
    broken_repositories.remove(mirror)
    assert not (mirror / "broken").exists()


# the packages


@pytest.mark.parametrize("name", standin_packages.NAMES)
def test_the_same_sources_make_the_same_package(name: str, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    one, other = (standin_packages.build(name, folder) for folder in folders)
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()
    fields = run("dpkg-deb", "--field", str(one), "Package", "Version", "Depends").stdout
    assert f"Package: {name}\n" in fields
    assert f"Version: {pinned(name)}\n" in fields
    assert "Depends: adduser, python3, python3-yaml" in fields


@pytest.mark.parametrize("flavour", standin_packages.FLAVOURS["alloy"])
def test_packages_of_several_versions_and_flavours(tmp_path: Path, flavour: str) -> None:
    built = [
        standin_packages.build("alloy", tmp_path, version=version, flavour=flavour)
        for version in ("1.18.1-1", "1.20.1-1")
    ]
    assert [deb.name for deb in built] == ["alloy_1.18.1-1_all.deb", "alloy_1.20.1-1_all.deb"]
    root = tmp_path / "root"
    run("dpkg-deb", "--extract", str(built[1]), str(root))
    described = root / "usr/lib/alloy-standin/programs/package.json"
    assert json.loads(described.read_text()) == {"version": "1.20.1-1", "flavour": flavour}
    program = root / "usr/lib/alloy-standin/alloy"
    text = program.read_text().replace("/usr/lib/alloy-standin", f"{root}/usr/lib/alloy-standin")
    said = run(sys.executable, "-c", text.replace("sys.argv[1:]", "['--version']")).stdout
    assert said.startswith("alloy, version v1.20.1 ")


def test_unknown_flavour_of_a_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loki has no flavour write-execute: plain"):
        standin_packages.build("loki", tmp_path, flavour="write-execute")


def test_digest_tells_versions_and_flavours_apart() -> None:
    digests = {
        standin_packages.digest("alloy", version, flavour)
        for version in ("1.18.1-1", "1.20.1-1")
        for flavour in standin_packages.FLAVOURS["alloy"]
    }
    assert len(digests) == 6 and standin_packages.digest("alloy") in digests


def test_a_key_is_made_once(cache: Path) -> None:
    first = SigningKey(cache / "once").create("One <one@lab.invalid>")
    assert first.create("Two <two@lab.invalid>").fingerprint() == first.fingerprint()


def _package(folder: Path, name: str, version: str) -> Path:
    root = folder / f"{name}-{version}"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
        "Maintainer: a test <test@lab.invalid>\nDescription: empty\n"
    )
    run("dpkg-deb", "--build", str(root), str(folder))
    shutil.rmtree(root)
    return folder / f"{name}_{version}_all.deb"


def test_a_package_that_forbade_others_is_older_and_forbids_none() -> None:
    control = (
        "Package: php-common\nVersion: 2:96\nBreaks: php8.2-common,\n php8.3-common\n"
        "Description: common\n files\n"
    )
    assert php_repository.without_breaks(control) == (
        "Package: php-common\nVersion: 2:96~lab1\nDescription: common\n files\n"
    )


def test_a_mirror_without_a_php_repository_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="bring a lab up first"):
        php_repository.published(tmp_path, "10.66.0.1")
    folder = tmp_path / php_repository.PLACE
    folder.mkdir()
    (folder / "lab.json").write_text('{"digest": "x", "fingerprint": "AB"}')
    found = php_repository.published(tmp_path, "10.66.0.1")
    assert found.key_url == "http://10.66.0.1:8066/php/apt.gpg"
    assert "real packages" in found.summary()


def test_an_agent_on_its_way_out_is_met_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["can't connect to the agent: IPC connect call failed"] * 2

    def stumble(*command: str, **options: Any) -> Any:
        if command[0] == "gpg" and said:
            raise LabError(f"gpg failed: {said.pop()}")
        return run(*command, **options)

    monkeypatch.setattr(signing, "run", stumble)
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert len(SigningKey(tmp_path / "key").create("Somebody").fingerprint()) == 40
    said.append("no such key")
    with pytest.raises(LabError, match="no such key"):
        SigningKey(tmp_path / "key").fingerprint()

"""Versions: what cannot be had is refused, what is pinned stays, and an upgrade is one line."""

import json
from collections.abc import Iterator

import pytest

from configs.versions import load_versions
from state.plan import Plan
from tests.e2e.disks import Listing, differences, listing
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import changed

PINS = load_versions().pins
MACHINES = ("observability", "vpsmanager")
WRITTEN_BY_LOGINS = {"/var/log/journal": "the logins of the run itself"}
NEWER = "3.7.7"
IN_MEMORY = "find /run/chom* /tmp -mindepth 1 -name '*chom-offers*' -o -path '*/chom/lists*'"


def disks(platform: Platform) -> dict[str, Listing]:
    return {name: listing(platform.lab.rootfs(name)) for name in MACHINES}


def test_what_cannot_be_had_is_refused_before_anything_changes(fresh: Platform) -> None:
    """On servers that nobody has deployed to, with all findings of all targets together."""
    changes = {
        "settings.loki.version": "3.7.66",
        "settings.grafana.version": "13.2.0",
        "settings.php.versions": ["8.4", "8.5"],
    }
    before = disks(fresh)
    outcome = fresh.project.deploy("-y", changes=changes)
    assert outcome.code == 1, outcome
    url = fresh.lab.apt_repository.url
    for words in (
        f"✗ observability: package loki: found no 3.7.66 in {url}; it has 3.7.7, 3.7.6, 3.7.5",
        'do: set loki.version to one of these versions, to "pinned" or to "latest"',
        "✗ observability: grafana 13.2.0: found a release that is known to be broken",
        'do: set grafana.version to "13.2.3"',
        "✗ vpsmanager: PHP 8.5: found no php8.5-",
        'do: take "8.5" out of php.versions',
        "No target can be deployed to; nothing was changed",
    ):
        assert words in outcome.text, outcome
    after = disks(fresh)
    for name in MACHINES:
        assert differences(before[name], after[name], WRITTEN_BY_LOGINS) == set()
        assert answer(fresh.lab, name, f"{IN_MEMORY} 2>/dev/null || :") == ""


def test_a_repository_that_nobody_answers_at(fresh: Platform) -> None:
    """A name without an address, and a port where nobody listens; also in a dry run."""
    lab = fresh.lab
    changes = {
        "settings.grafana_apt.url": f"http://{lab.network.gateway}:9/grafana",
        "settings.php_apt.url": "https://nobody.invalid/php",
        "settings.php.versions": ["8.4", "8.2"],
    }
    before = disks(fresh)
    outcome = fresh.project.deploy("--dry", changes=changes)
    assert outcome.code == 1, outcome
    for words in (
        f"✗ observability: package source http://{lab.network.gateway}:9/grafana: found ",
        f"✗ vpsmanager: package source http://{lab.network.gateway}:9/grafana: found ",
        "✗ vpsmanager: package source https://nobody.invalid/php: found the name nobody.invalid"
        " has no address",
        "do: correct php_apt.url, or let the server reach it",
        "3 problems and 1 warning on observability, vpsmanager",
    ):
        assert words in outcome.text, outcome
    after = disks(fresh)
    for name in MACHINES:
        assert differences(before[name], after[name], WRITTEN_BY_LOGINS) == set()
        assert answer(lab, name, f"{IN_MEMORY} 2>/dev/null || :") == ""


def test_pinned_packages_are_installed_and_held(deployed: Platform) -> None:
    """By apt and by unattended-upgrades, although the repository has newer ones."""
    lab = deployed.lab
    for package in ("grafana", "loki", "alloy"):
        shown = answer(lab, "observability", f"dpkg-query -W -f='${{Version}}' {package}")
        assert shown == PINS.version_of(package)
    assert len(lab.apt_repository.versions["alloy"]) > 1
    planned = answer(lab, "observability", "apt-get -s -q dist-upgrade")
    assert not [line for line in planned.splitlines() if line.startswith("Inst alloy")]
    allowed = 'Unattended-Upgrade::Origins-Pattern { "origin=lab"; };'
    path = "/etc/apt/apt.conf.d/99-every-origin"
    answer(lab, "observability", f"echo '{allowed}' > {path}")
    try:
        told = answer(lab, "observability", "unattended-upgrade --dry-run --debug 2>&1")
    finally:
        answer(lab, "observability", f"rm {path}")
    assert "origin=lab" in told
    upgraded = [line for line in told.splitlines() if "Packages that will be upgraded" in line]
    assert not any(
        package in line.split() for line in upgraded for package in ("alloy", "loki", "grafana")
    )
    assert "Checking: alloy" not in told


def test_php_of_a_vendor_is_found_before_its_repository_is_configured(deployed: Platform) -> None:
    changes = {"settings.php.versions": ["8.4", "8.2"]}
    outcome = deployed.project.deploy("--dry", changes=changes)
    assert outcome.code == 0, outcome
    assert "✗ vpsmanager" not in outcome.text
    assert "+ create /etc/apt/sources.list.d/php.sources" in outcome.text, outcome
    assert answer(deployed.lab, "vpsmanager", f"{IN_MEMORY} 2>/dev/null || :") == ""


def test_versions_are_shown(deployed: Platform) -> None:
    before = disks(deployed)
    outcome = deployed.project.configs_command("versions", "--json")
    assert outcome.code == 0, outcome
    found = json.loads(outcome.out)
    assert found["problems"] == []
    newest = deployed.lab.apt_repository.versions
    for package in ("grafana", "loki", "alloy"):
        pin = PINS.version_of(package)
        assert found["targets"]["observability"][package] == {
            "pinned": pin,
            "set": "pinned",
            "installed": pin,
            "newest": newest[package][0],
        }
    prometheus = found["targets"]["observability"]["prometheus"]
    assert prometheus["set"] == prometheus["installed"] != prometheus["pinned"]
    assert list(found["targets"]["vpsmanager"]) == ["alloy"]
    text = deployed.project.configs_command("versions", "vpsmanager")
    assert text.code == 0, text
    assert text.out.splitlines()[1].split() == [
        *("vpsmanager", "alloy", PINS.alloy.version, "pinned", PINS.alloy.version),
        newest["alloy"][0],
    ]
    after = disks(deployed)
    for name in MACHINES:
        ignored = {**WRITTEN_BY_LOGINS, "/var/lib": "what services keep", "/var/log": "their logs"}
        assert differences(before[name], after[name], ignored) == set()
        # The sockets of applications' PHP and Redis are there on a server of theirs.
        left = "ls -d /run/chom-* 2>/dev/null | grep -vE '^/run/chom-(php|redis)$' || :"
        assert answer(deployed.lab, name, left) == ""


@pytest.fixture
def pins(deployed: Platform) -> Iterator[Platform]:
    """A platform whose pins may be moved; they are as before afterwards."""
    path = deployed.project.folder / "configs" / "versions.yaml"
    text = path.read_text()
    yield deployed
    path.write_text(text)


def test_an_upgrade_is_a_line_a_plan_a_deploy_and_a_record(pins: Platform) -> None:
    project = pins.project
    path = project.folder / "configs" / "versions.yaml"
    before = path.read_text().splitlines()
    moved = project.configs_command("versions", "--upgrade", f"loki={NEWER}")
    assert moved.code == 0, moved
    assert f"loki: {PINS.loki.version} → {NEWER} in configs/versions.yaml" in moved.out
    lines = [
        new for old, new in zip(before, path.read_text().splitlines(), strict=True) if old != new
    ]
    assert lines[0] == f'    version: "{NEWER}"' and len(lines) == 2

    dry = project.deploy("--dry", "--json")
    assert dry.code == 0, dry
    components = Plan.model_validate(dry.json).targets["observability"].components
    [change] = [each for each in components["base"].changes if each.verb == "install"]
    assert (change.what, change.old_version, change.new_version) == (
        "loki",
        PINS.loki.version,
        NEWER,
    )

    record = pins.converge()
    assert record.targets["observability"].components["loki"].version == NEWER
    assert record.config.settings["observability"]["loki"]["version"] == NEWER
    held = answer(pins.lab, "observability", "apt-cache policy loki")
    assert f"*** {NEWER} 1000" in held
    assert changed(pins.converge()) == {}

    path.write_text("\n".join(before) + "\n")
    record = pins.converge()
    assert record.targets["observability"].components["loki"].version == PINS.loki.version


def test_a_version_that_the_lists_lack_has_them_read_again(deployed: Platform) -> None:
    """As of a release that came out since; the lists are as young as apt wants them."""
    lab = deployed.lab
    deployed.unsettle()
    suite = "/var/lib/apt/lists/*_grafana_dists_stable_"
    # Without the signed file, and with an old index, apt does not take it for the present one.
    answer(
        lab,
        "observability",
        f"sed -i 's/^Version: {NEWER}$/Version: 3.7.4/' {suite}main_binary-*_Packages"
        f" && touch -d '9 days ago' {suite}main_binary-*_Packages && rm {suite}InRelease"
        " && touch /var/lib/apt/lists",
    )
    assert NEWER not in answer(lab, "observability", "apt-cache madison loki")
    record = deployed.converge({"settings.loki.version": NEWER})
    assert record.targets["observability"].components["loki"].version == NEWER
    deployed.converge()

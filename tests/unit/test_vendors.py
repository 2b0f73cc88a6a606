"""What a target takes from vendors' repositories: sources, preferences and security updates."""

from pathlib import Path

import pytest

from tasks.php.component import php
from tests.unit.helpers import INVENTORY, fake_state
from tests.unit.test_stacks import Declaration, spy_on_texts

UPDATES = "/etc/apt/apt.conf.d/52chom-unattended-upgrades"
PREFERENCES = "/etc/apt/preferences.d/chom-php"
SURY = '    "origin=deb.sury.org";\n'
GRAFANA = '    "site=apt.grafana.com";\n'


def declared(
    folder: Path, monkeypatch: pytest.MonkeyPatch, settings: str = ""
) -> tuple[dict[str, str], Declaration]:
    """The files of an application target with these settings, and what was declared."""
    texts = spy_on_texts(monkeypatch)
    inventory = INVENTORY.replace("settings: {", f"settings: {{{settings}")
    declaration = Declaration(fake_state(["vpsmanager"]), "vpsmanager", folder, inventory)
    return texts, declaration


def labels(declaration: Declaration) -> list[str]:
    return [each.label for step in declaration.steps for each in step.operations]


def test_php_of_debian_needs_no_vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, declaration = declared(tmp_path, monkeypatch)
    assert GRAFANA in texts[UPDATES] and SURY not in texts[UPDATES]
    assert PREFERENCES not in texts
    assert "PHP's packages are Debian's" in labels(declaration)
    assert php.repositories(declaration.site) == []


def test_one_version_of_the_vendor_takes_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, declaration = declared(tmp_path, monkeypatch, 'php: {versions: ["8.4", "8.3"]}, ')
    assert GRAFANA in texts[UPDATES] and SURY in texts[UPDATES]
    assert "Package: php*\nPin: release o=deb.sury.org\n" in texts[PREFERENCES]
    assert "PHP's packages are Debian's" not in labels(declaration)
    [repository] = php.repositories(declaration.site)
    assert texts[repository.source_path] == repository.source()


def test_updates_of_each_vendor_can_be_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    php_alone = 'php: {versions: ["8.3"]}, grafana_apt: {unattended_upgrades: false}, '
    texts, _ = declared(tmp_path, monkeypatch, php_alone)
    assert GRAFANA not in texts[UPDATES] and SURY in texts[UPDATES]
    none = f"{php_alone}php_apt: {{unattended_upgrades: false}}, "
    texts, _ = declared(tmp_path, monkeypatch, none)
    assert UPDATES not in texts and PREFERENCES in texts


def test_a_mirror_of_grafana_is_known_by_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = 'grafana_apt: {url: "http://mirror.example.org:8080/grafana"}, '
    texts, _ = declared(tmp_path, monkeypatch, mirror)
    assert '"site=mirror.example.org";' in texts[UPDATES]

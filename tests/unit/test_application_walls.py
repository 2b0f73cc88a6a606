"""Walls around an application: names, folders below its storage, grants, releases of before."""

import grp
import json
import os
import pwd
import stat
import subprocess
from pathlib import Path

import pytest
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.context import ctx_host, ctx_state

from configs.findings import Finding
from configs.secrets import Secret
from facts.folders import DifferingFolders, Folder, folders_command
from facts.users import TakenNames
from tasks.laravel.preflight import check_names
from tasks.operations.databases import database_sql, grant_pattern
from tasks.operations.users import make_system_user
from tasks.releases.host import build, contents
from tasks.releases.host.commands import Failed
from tests.unit.helpers import configuration, fake_state
from tests.unit.releasing import Machine

APPS = """\
targets:
  watch: {role: observability, address: 10.9.0.11}
  web: {role: vpsmanager, address: 10.9.0.21, settings: {apps: {shop: {}}}}
"""
OURS = "user/shop /var/www/shop /usr/sbin/nologin 995"
LAYOUT = [f"path//var/www/shop{each}" for each in ("", "/releases", "/shared")]
ME = pwd.getpwuid(os.getuid()).pw_name


def found(
    tmp_path: Path, taken: list[str], owned: set[tuple[str, str]] | None = None
) -> list[Finding]:
    target = configuration(tmp_path, APPS).targets["web"]
    state = fake_state(["web"], {"getent passwd": taken})
    with ctx_state.use(state), ctx_host.use(state.inventory.get_host("@fake/web")):
        return check_names(target, owned or set())


@pytest.mark.parametrize(
    ("taken", "what"),
    [
        (["user/shop /home/shop /bin/bash 1001"], "an account shop (uid 1001, home /home/shop"),
        (["user/shop /var/www/shop /usr/sbin/nologin 1001"], "an account shop (uid 1001"),
        (["user/shop /var/www/shop /bin/sh 995"], "an account shop (uid 995"),
        (["user/_shop /home/x /bin/sh 1002"], "an account _shop (uid 1002"),
        (["group/shop"], "a group shop"),
        (["path//var/www/shop"], "a folder /var/www/shop"),
        # Another tool, with an account as ours.
        ([OURS, *LAYOUT], "a folder /var/www/shop/releases"),
        ([OURS, LAYOUT[0], LAYOUT[2]], "a folder /var/www/shop/shared"),
    ],
)
def test_a_name_that_belongs_to_somebody_is_refused(
    tmp_path: Path, taken: list[str], what: str
) -> None:
    (finding,) = found(tmp_path, taken)
    assert finding.check == "application shop" and finding.found.startswith(what)
    assert not finding.warning and "another name under `apps:`" in finding.remedy


@pytest.mark.parametrize(
    "taken",
    [
        [],
        [OURS],
        [OURS, "group/shop", "path//var/www/shop"],
        [OURS, *LAYOUT, "path//var/www/shop/releases.jsonl"],
    ],
)
def test_a_name_that_is_free_or_ours_is_not(tmp_path: Path, taken: list[str]) -> None:
    assert found(tmp_path, taken) == []


def test_what_a_record_has_as_ours_is_ours(tmp_path: Path) -> None:
    other = ["user/shop /srv/shop /bin/sh 1001"]
    assert found(tmp_path, other, {("users", "shop")}) == []
    assert len(found(tmp_path, other, {("users", "blog")})) == 1


def test_taken_names_are_those_of_the_machine(tmp_path: Path) -> None:
    asked = TakenNames().command([ME, "nobody-has-this"], [str(tmp_path), f"{tmp_path}/x y"])
    said = subprocess.run(["sh", "-c", asked.get_raw_value()], capture_output=True, text=True)
    lines = said.stdout.splitlines()
    assert any(line.startswith(f"user/{ME} ") for line in lines)
    assert lines[-1] == f"path/{tmp_path}" and "nobody-has-this" not in said.stdout


def test_an_account_of_another_is_left_alone() -> None:
    state = fake_state(["web"], {"getent passwd": ["x:x:1001:1001::/home/x:/bin/bash"]})
    (host,) = state.inventory
    with ctx_state.use(state), ctx_host.use(host):
        with pytest.raises(OperationError, match="there is an account x that no deploy made"):
            list(make_system_user._inner(user="x", home="/nonexistent", is_another=lambda: True))
        ours = make_system_user._inner(user="x", home="/nonexistent", is_another=lambda: False)
        assert "usermod" in str(next(iter(ours)))


# Folders below one that their owner may change


def run(command: StringCommand) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", "-c", command.get_raw_value()], capture_output=True, text=True)


def own(mode: str) -> Folder:
    return Folder(group=_group(), mode=mode)


def _group() -> str:
    return grp.getgrgid(os.getgid()).gr_name


def test_folders_are_made_with_their_modes(tmp_path: Path) -> None:
    folders = {"a": own("710"), "a/b": own("2750")}
    asked = DifferingFolders().command(str(tmp_path), ME, folders)
    assert run(asked).stdout.split() == ["a", "a/b"]
    made = run(folders_command("change", str(tmp_path), ME, folders))
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o710
    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o2750
    assert run(asked).stdout == ""


@pytest.mark.parametrize("inner", ["a", "a/b"])
def test_no_link_is_followed(tmp_path: Path, inner: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    base = tmp_path / "base"
    (base / inner).parent.mkdir(parents=True)
    (base / inner).symlink_to(outside)
    folders = {"a": own("755"), "a/b": own("755"), "a/b/c": own("755")}
    made = run(folders_command("change", str(base), ME, folders))
    assert made.returncode == 0, made.stderr
    assert (base / inner).is_symlink() and list(outside.iterdir()) == []
    assert stat.S_IMODE(outside.stat().st_mode) == 0o700


def test_before_the_owner_is_there_all_are_missing(tmp_path: Path) -> None:
    folders = {"a b": own("755"), "c": own("755")}
    asked = DifferingFolders().command(f"{tmp_path}/nowhere", "nobody-has-this", folders)
    assert run(asked).stdout.splitlines() == ["a b", "c"]


# Grants


@pytest.mark.parametrize(
    ("database", "pattern"),
    [("shop", "shop"), ("client_1", "client\\_1"), ("a_b_c", "a\\_b\\_c"), ("x%", "x\\%")],
)
def test_a_grant_is_on_one_database(database: str, pattern: str) -> None:
    assert grant_pattern(database) == pattern
    text = database_sql(database, "u", Secret("P", "p"))
    assert f" on `{pattern}`.* to 'u'@'localhost';" in text and "revoke" not in text


def test_a_wider_pattern_is_taken_away_after_the_narrow_one_is_granted() -> None:
    lines = database_sql("a_b", "u", Secret("P", "p"), outdated=True).splitlines()
    assert lines[-1].startswith("revoke all privileges on ")
    assert lines[-1].endswith(" on `a_b`.* from 'u'@'localhost';")
    assert "grant " in lines[-2]


# Releases


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_folder_of_caches_that_is_a_link_becomes_a_folder(tmp_path: Path) -> None:
    release, elsewhere = tmp_path / "release", tmp_path / "elsewhere"
    (release / "bootstrap").mkdir(parents=True)
    elsewhere.mkdir()
    (release / "artisan").write_text("")
    (elsewhere / "config.php").write_text("of somebody's own")
    (release / "bootstrap/cache").symlink_to(elsewhere)
    contents.furnish(release, tmp_path / "shared", tmp_path / "scratch")
    assert not (release / "bootstrap/cache").is_symlink()
    assert (elsewhere / "config.php").exists()


def test_a_public_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    release = tmp_path / "release"
    release.mkdir()
    (release / "public").symlink_to("/var/log")
    with pytest.raises(contents.Refused, match="public is a link: commit it as a folder"):
        contents.furnish(release, tmp_path / "shared", tmp_path / "scratch")


def test_a_bootstrap_that_is_a_link_is_refused(machine: Machine) -> None:
    machine.deploy()
    cached = machine.files / "bootstrap/cache/services.php"
    cached.unlink()
    cached.parent.rmdir()
    cached.parent.parent.rmdir()
    (machine.files / "elsewhere").mkdir()
    (machine.files / "elsewhere/x").write_text("x")
    (machine.files / "bootstrap").symlink_to("elsewhere")
    machine.change("two")
    failure = machine.fail()
    assert failure.step == "files"
    assert "bootstrap is a link: commit it as a folder" in failure.output


def test_a_release_of_before_is_sealed_if_all_of_it_is_roots(machine: Machine) -> None:
    first = machine.deploy()
    machine.change("two")
    machine.deploy()
    earlier = machine.app.releases / first
    earlier.chmod(0o755)
    machine.commands.clear()
    assert not build.is_sealed(machine.app, earlier)
    machine.says["find"] = ""
    machine.roll_back()
    assert build.is_sealed(machine.app, earlier) and machine.live == first


def test_a_release_that_another_user_had_a_hand_in_never_serves(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = machine.deploy()
    machine.change("two")
    second = machine.deploy()
    monkeypatch.setattr(build, "is_sealed", lambda app, release: release.name == second)
    monkeypatch.setattr(build, "seal_earlier", lambda app, release: False)
    with pytest.raises(Failed) as failure:
        machine.roll_back()
    assert failure.value.output == [f"not all of {first} belongs to root, so it must never serve"]
    assert machine.live == second
    machine.change("three")
    machine.deploy()
    assert first not in machine.releases


def test_what_is_described_names_both_users(machine: Machine) -> None:
    described = {"user": "_shop", "properties": ["User=_shop"]}
    whole = {
        **{name: getattr(machine.app, name) for name in machine.app.__dataclass_fields__},
        "base": str(machine.app.base),
        "build": described,
        "runtime": {**described, "user": "shop"},
    }
    folder = machine.folder / "described"
    folder.mkdir()
    (folder / "shop.json").write_text(json.dumps(whole))
    read = type(machine.app).read("shop", folder)
    assert (read.build.user, read.runtime.user) == ("_shop", "shop")
    assert read.build.properties == ("User=_shop",)

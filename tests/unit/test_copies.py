"""Copies of records on targets, and histories that come together: by the scripts themselves."""

import gzip
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Host
from pyinfra.connectors.util import CommandOutput, OutputLine

from facts.records import FOLDER as RECORDS
from state import copies
from state.record import Target
from state.store import Store
from state.syncing import sync
from tests.unit.helpers import KEY, fake_state
from tests.unit.test_record import record

ONE, TWO, THREE = (f"2026010{day}-000000-aaaaaa" for day in (1, 2, 3))


class Targets:
    """Hosts, each with a folder here as its disk."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder = folder
        inventory = fake_state(names).inventory
        self.hosts = {name: inventory.get_host(f"@fake/{name}") for name in names}

    def records(self, name: str) -> Path:
        return self.folder / name / "lib" / "records"

    def held(self, name: str) -> dict[str, bytes]:
        """Id → content of the copies on a target."""
        files = self.records(name).iterdir()
        return {each.name.split(".")[0]: gzip.decompress(each.read_bytes()) for each in files}

    def run(self, host: Host, command: str, stdin: str, limit_s: int) -> tuple[bool, CommandOutput]:
        name = host.name.removeprefix("@fake/")
        (self.folder / name).mkdir(exist_ok=True)
        here = command.replace(RECORDS, str(self.records(name)))
        here = here.replace(RECORDS.rpartition("/")[0], str(self.records(name).parent))
        done = subprocess.run(["sh", "-c", here], input=stdin, capture_output=True, text=True)
        lines = [OutputLine("stdout", line) for line in done.stdout.splitlines()]
        lines += [OutputLine("stderr", line) for line in done.stderr.splitlines()]
        return done.returncode == 0, CommandOutput(lines)


@pytest.fixture
def targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Targets:
    made = Targets(tmp_path / "targets", ["web", "db"])
    made.folder.mkdir()
    monkeypatch.setattr(copies, "run_command", made.run)
    return made


def filled(folder: Path, **concerned: list[str]) -> Store:
    """A history: day → the targets that its deployment concerned."""
    store = Store(folder, key=KEY)
    for day, names in concerned.items():
        at: dict[str, Any] = {f"@fake/{n}": Target(role="r", address="a") for n in names}
        store.save(record(f"202601{day[1:]}-000000-aaaaaa", status="completed", targets=at))
    return store


def test_each_target_holds_what_concerns_it_for_root_alone(
    tmp_path: Path, targets: Targets
) -> None:
    store = filled(tmp_path / "s", d01=["web", "db"], d02=["web"])
    for host in targets.hosts.values():
        assert copies.put_copies(store, host, []) == []
    assert set(targets.held("web")) == {ONE, TWO}
    assert set(targets.held("db")) == {ONE}
    assert targets.held("web")[ONE] == store.path_of(ONE).read_bytes()
    copy = targets.records("web") / f"{ONE}.json.gz"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700
    assert copy.parent.parent.stat().st_mode & 0o777 == 0o755  # metrics are beside it


def test_what_is_there_or_still_open_is_not_sent(tmp_path: Path, targets: Targets) -> None:
    store = filled(tmp_path / "s", d01=["web"], d02=["web"])
    opened: dict[str, Any] = {"@fake/web": Target(role="r", address="a")}
    store.save(record(THREE, status="running", targets=opened))
    assert list(copies.concerning(store, "@fake/web", [ONE])) == [TWO]


def test_a_target_that_cannot_take_them_fails_nothing(
    tmp_path: Path, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path / "s", d01=["web"])
    full = CommandOutput([OutputLine("stderr", "no room")])
    monkeypatch.setattr(copies, "run_command", lambda *_: (False, full))
    [problem] = copies.put_copies(store, targets.hosts["web"], [])
    assert problem.startswith("@fake/web has no copy of this record yet (no room)")


def test_two_histories_become_one(tmp_path: Path, targets: Targets) -> None:
    mine = filled(tmp_path / "mine", d01=["web", "db"], d03=["web"])
    theirs = filled(tmp_path / "theirs", d02=["db"])
    hosts = list(targets.hosts.values())
    first, second, third = sync(mine, hosts), sync(theirs, hosts), sync(mine, hosts)
    assert [each.problems for each in (first, second, third)] == [[], [], []]
    assert mine.ids() == theirs.ids() == [ONE, TWO, THREE]
    assert second.got.keys() == {ONE, THREE} and third.got == {TWO: "@fake/db"}
    assert first.put == {"@fake/web": 2, "@fake/db": 1}
    for name in mine.ids():
        assert mine.path_of(name).read_bytes() == theirs.path_of(name).read_bytes()
    assert theirs.read(THREE) is not None
    current = (tmp_path / "theirs" / "current.json").resolve()
    assert current == theirs.path_of(THREE).resolve()
    nothing = sync(mine, hosts)
    assert (nothing.got, nothing.put, nothing.problems) == ({}, {"@fake/web": 0, "@fake/db": 0}, [])


def test_what_was_pruned_on_purpose_does_not_come_back(tmp_path: Path, targets: Targets) -> None:
    sync(filled(tmp_path / "theirs", d01=["web"], d02=["web"]), targets.hosts.values())
    mine = Store(tmp_path / "mine", key=KEY)
    assert sync(mine, targets.hosts.values(), pruned=[ONE]).got.keys() == {TWO}


def test_a_copy_that_differs_is_told_and_neither_is_replaced(
    tmp_path: Path, targets: Targets
) -> None:
    store = filled(tmp_path / "s", d01=["web"])
    sync(store, targets.hosts.values())
    copy = targets.records("web") / f"{ONE}.json.gz"
    copy.write_bytes(gzip.compress(targets.held("web")[ONE].replace(b"completed", b"failed")))
    before = store.path_of(ONE).read_bytes()
    [problem] = sync(store, targets.hosts.values()).problems
    assert f"{ONE} differs from its copy on @fake/web" in problem
    assert store.path_of(ONE).read_bytes() == before and b"failed" in targets.held("web")[ONE]


def test_a_copy_that_is_no_record_is_left_there(tmp_path: Path, targets: Targets) -> None:
    targets.records("web").mkdir(parents=True)
    newer = record(TWO).model_dump_json(exclude={"signature"}).replace('"5.3"', '"9.9"')
    for name, text in ((ONE, '{"half": 1}\n'), (TWO, f"{newer}\n")):
        content = KEY.sign(text).encode()
        copy = targets.records("web") / f"{name}.json.gz"
        copy.write_bytes(gzip.compress(content))
    (targets.records("web") / f"{THREE}.json.gz").write_bytes(b"no gzip")
    store = Store(tmp_path / "s", key=KEY)
    problems = sync(store, [targets.hosts["web"]]).problems
    assert f"the copy of {ONE} on @fake/web: no record: " in problems[0]
    assert f"the copy of {TWO} on @fake/web: written by a newer version" in problems[1]
    assert f"the copy of {THREE} on @fake/web: an empty file" in problems[2]
    assert store.ids() == []


def test_a_target_that_does_not_answer_keeps_no_other_waiting(
    tmp_path: Path, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(filled(tmp_path / "theirs", d01=["db"]), [targets.hosts["db"]])

    def run(host: Host, *rest: Any) -> tuple[bool, CommandOutput]:
        if host.name == "@fake/web":
            return False, CommandOutput([OutputLine("stderr", "sudo: no")])
        return targets.run(host, *rest)

    monkeypatch.setattr(copies, "run_command", run)
    done = sync(Store(tmp_path / "mine", key=KEY), targets.hosts.values())
    assert done.problems == ["@fake/web did not tell which records it has: sudo: no"]
    assert done.got == {ONE: "@fake/db"}

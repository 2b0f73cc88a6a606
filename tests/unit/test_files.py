"""Files that are sent in one go: what is asked, what is replaced, and what comes of a refusal."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyinfra.api import StringCommand

from configs.secrets import Secret
from facts.files import FileData, FileStates
from tasks.operations import files
from tasks.operations.files import TextFile, put_texts
from tests.unit.helpers import ThisComputer

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = "root" if ME == "root" else str(os.getgid())


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> ThisComputer:
    found = ThisComputer()
    monkeypatch.setattr(files, "host", found)
    quiet = SimpleNamespace(config=SimpleNamespace(DIFF=False), is_executing=True)
    monkeypatch.setattr(files, "state", quiet)
    return found


def put(wanted: Sequence[TextFile]) -> tuple[set[str], list[StringCommand]]:
    changing: set[str] = set()
    return changing, list(put_texts._inner(files=wanted, changing=changing))


def run(command: StringCommand) -> "subprocess.CompletedProcess[str]":
    stdin = f"{command.connector_arguments['_stdin']}\n"  # which pyinfra adds
    script = ["sh", "-c", command.get_raw_value()]
    return subprocess.run(script, input=stdin, capture_output=True, text=True)


def file(path: Path, text: str | Secret, mode: str = "640", check: str | None = None) -> TextFile:
    group = path.parent.group() if path.parent.exists() else MY_GROUP
    return TextFile(str(path), text, mode, ME, group, check)


def test_many_come_by_one_command_and_are_asked_of_by_one(
    host: ThisComputer, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.write_text("as wanted\n")
    there.chmod(0o640)
    open_to_all = tmp_path / "open"
    open_to_all.write_text("as wanted\n")
    open_to_all.chmod(0o666)
    other = tmp_path / "other"
    other.write_text("before\n")
    new = tmp_path / "new"
    wanted = [
        file(there, "as wanted\n"),
        file(open_to_all, "as wanted\n"),
        file(other, "no line end"),
        file(tmp_path / "empty", ""),
        file(new, Secret("S", "ü, a secret\n"), mode="600"),
    ]
    changing, (command,) = put(wanted)
    assert host.asked == [FileStates]
    assert changing == {each.path for each in wanted[1:]}
    assert "secret" not in str(command)
    done = run(command)
    assert (done.returncode, done.stderr) == (0, "")
    for each in wanted:
        path = Path(each.path)
        assert (path.read_text(), path.stat().st_mode & 0o777) == (each.content, int(each.mode, 8))
    assert len(list(tmp_path.iterdir())) == len(wanted)
    assert put(wanted) == (set(), [])


def test_after_one_that_cannot_be_no_other_comes(host: ThisComputer, tmp_path: Path) -> None:
    first, last = file(tmp_path / "first", "1\n"), file(tmp_path / "last", "3\n")
    bad = replace(file(tmp_path / "bad", "2\n"), user="no-such-user")
    _, (command,) = put([first, bad, last])
    assert run(command).returncode != 0
    assert [each.name for each in tmp_path.iterdir()] == ["first"]
    _, (command,) = put([first, replace(bad, user=ME), last])
    assert run(command).returncode == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bad", "first", "last"]


def test_a_checker_that_reads_leaves_the_next_text_alone(
    host: ThisComputer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without root there is no mount namespace, so ``unshare`` only runs its script here."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in {"unshare": 'shift; exec "$@"', "mount": "true"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(files, "CANDIDATES", str(tmp_path / "run"))
    folder = tmp_path / "etc"
    folder.mkdir()
    _, (command,) = put([file(folder / "a", "one\n", check="cat"), file(folder / "b", "two\n")])
    done = run(command)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(folder / name).read_text() for name in "ab"] == ["one\n", "two\n"]


def test_what_stands_at_many_paths(host: ThisComputer, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o750)
    (tmp_path / "astray").symlink_to("nowhere")
    (tmp_path / "with space").write_text("")
    names = ["folder", "astray", "with space", "nothing"]
    found: dict[str, FileData] = host.get_fact(
        FileStates, paths=[str(tmp_path / name) for name in names]
    )
    kinds = {Path(path).name: (each["kind"], each["sha256"][:8]) for path, each in found.items()}
    assert kinds == {
        "folder": ("directory", ""),
        "astray": ("symbolic link", ""),
        "with space": ("regular empty file", "e3b0c442"),
    }

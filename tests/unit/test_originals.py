"""Originals: kept once and whole, put back as they were; the scripts run on real files."""

import subprocess
from pathlib import Path

import pytest

from tasks.operations import originals
from tasks.operations.files import replace_script
from tasks.operations.removing import tree_script


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(originals, "FOLDER", str(tmp_path / "originals"))
    (tmp_path / "etc").mkdir()
    return tmp_path


def sh(script: str, stdin: str = "") -> None:
    done = subprocess.run(["sh", "-c", script], input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def put(path: Path, text: str, keep: bool = True) -> None:
    user = path.parent.owner()
    sh(replace_script(str(path), "600", user, path.parent.group(), None, len(text), keep), text)


def test_what_stood_there_is_kept_and_put_back_as_it_was(folder: Path) -> None:
    path = folder / "etc" / "a file"
    path.write_text("theirs\n")
    path.chmod(0o4751)
    put(path, "ours\n")
    assert path.read_text() == "ours\n"
    assert (folder / "originals").stat().st_mode & 0o777 == 0o700
    sh(originals.put_back(str(path)))
    assert path.read_text() == "theirs\n" and path.stat().st_mode & 0o7777 == 0o4751
    assert not Path(originals.kept_at(str(path))).exists()
    assert [each.name for each in path.parent.iterdir()] == ["a file"]


def test_the_first_one_is_the_original(folder: Path) -> None:
    path = folder / "etc" / "file"
    path.write_text("theirs")
    for text in ("ours", "ours of the next deployment"):
        put(path, text)
    assert Path(originals.kept_at(str(path))).read_text() == "theirs"


def test_where_nothing_stood_nothing_is_kept(folder: Path) -> None:
    put(folder / "etc" / "new", "ours")
    assert not (folder / "originals").exists()


def test_what_is_ours_by_the_records_is_no_original(folder: Path) -> None:
    path = folder / "etc" / "file"
    path.write_text("ours of last time")
    put(path, "ours", keep=False)
    assert not (folder / "originals").exists()


def test_a_link_is_kept_as_a_link_even_one_that_leads_nowhere(folder: Path) -> None:
    path = folder / "etc" / "link"
    path.symlink_to("/nowhere/at/all")
    sh(f"{originals.keep_original(str(path))} && rm {path}")
    sh(originals.put_back(str(path)))
    assert str(path.readlink()) == "/nowhere/at/all"


def test_a_copy_that_was_cut_off_is_made_again(folder: Path) -> None:
    path = folder / "etc" / "file"
    path.write_text("theirs")
    half = Path(f"{originals.kept_at(str(path))}.chom-new")
    half.parent.mkdir(parents=True)
    half.write_text("the")
    put(path, "ours")
    assert Path(originals.kept_at(str(path))).read_text() == "theirs"
    assert not half.exists()


def test_putting_back_goes_on_where_it_was_cut_off(folder: Path) -> None:
    path = folder / "etc" / "file"
    path.write_text("theirs")
    put(path, "ours")
    (path.parent / ".file.chom-new").write_text("the")
    sh(originals.put_back(str(path)))
    assert path.read_text() == "theirs"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_tree_goes_without_what_its_links_lead_to(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (kept / "inner").mkdir(parents=True)
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "link").symlink_to(kept)
    sh(tree_script(str(tree)))
    assert not tree.exists() and (kept / "inner").is_dir()


def test_a_tree_behind_a_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "real" / "tree").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    script = tree_script(str(tmp_path / "link" / "tree"))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert done.returncode == 1 and "left alone" in done.stderr
    assert (tmp_path / "real" / "tree").is_dir()

"""A folder as one text: the same for the same files, wherever and whenever they lie."""

import base64
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from tasks.archives import NEVER, pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "app"
    for path, text in {
        "artisan": "#!/usr/bin/env php",
        "public/index.php": "<?php",
        "app/Http/Kernel.php": "<?php kernel",
    }.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text)
    (made / "artisan").chmod(0o755)
    return made


def entries(folder: Path, without: tuple[str, ...] = ()) -> dict[str, tarfile.TarInfo]:
    packed = io.BytesIO(base64.b64decode(pack(folder, without).base64))
    with tarfile.open(fileobj=packed, mode="r:gz") as tar:
        return {each.name: each for each in tar.getmembers()}


def test_the_same_files_are_the_same_text(folder: Path, tmp_path: Path) -> None:
    first = pack(folder)
    other = tmp_path / "elsewhere"
    for path in ("public/index.php", "app/Http/Kernel.php", "artisan"):
        (other / path).parent.mkdir(parents=True, exist_ok=True)
        (other / path).write_bytes((folder / path).read_bytes())
        os.utime(other / path, (1, 1))
    (other / "artisan").chmod(0o700)
    (other / "public/index.php").chmod(0o600)
    assert pack(other) == first


def test_the_hash_is_of_what_is_unpacked(folder: Path) -> None:
    packed = pack(folder)
    assert packed.sha256 == hashlib.sha256(base64.b64decode(packed.base64)).hexdigest()


@pytest.mark.parametrize("change", ["content", "name", "mode", "link"])
def test_what_changes_is_another_text(folder: Path, change: str) -> None:
    before = pack(folder)
    file = folder / "public/index.php"
    if change == "content":
        file.write_text("<?php 2")
    elif change == "name":
        file.rename(file.with_name("other.php"))
    elif change == "mode":
        file.chmod(0o755)
    else:
        (folder / "linked").symlink_to("artisan")
    assert pack(folder) != before


def test_files_come_with_the_modes_of_a_release(folder: Path) -> None:
    (folder / "public/index.php").chmod(0o666)
    found = entries(folder)
    assert {name: each.mode for name, each in found.items()} == {
        "artisan": 0o755,
        "public/index.php": 0o644,
        "app/Http/Kernel.php": 0o644,
    }
    assert {each.uid for each in found.values()} == {0} and found["artisan"].mtime == 0


def test_links_stay_links(folder: Path) -> None:
    (folder / "to-file").symlink_to("artisan")
    (folder / "to-folder").symlink_to("public")
    (folder / "to-nowhere").symlink_to("gone")
    found = entries(folder)
    links = {name: each.linkname for name, each in found.items() if each.issym()}
    assert links == {"to-file": "artisan", "to-folder": "public", "to-nowhere": "gone"}
    assert not [name for name in found if name.startswith("to-folder/")]


@pytest.mark.parametrize("name", sorted(NEVER))
@pytest.mark.parametrize("where", [".", "app"])
def test_what_is_never_taken(folder: Path, name: str, where: str) -> None:
    before = set(entries(folder))
    (folder / where / name).mkdir()
    (folder / where / name / "file").write_text("x")
    assert set(entries(folder)) == before


def test_a_file_of_secrets_is_never_taken(folder: Path) -> None:
    before = pack(folder)
    (folder / ".env").write_text("APP_KEY=geheim")
    assert pack(folder) == before


def test_what_is_left_out_is_named_from_the_top(folder: Path) -> None:
    (folder / "app/storage").mkdir()
    (folder / "app/storage/code.php").write_text("code")
    (folder / "storage").mkdir()
    (folder / "storage/log").write_text("log")
    (folder / "public/storage").symlink_to("../storage")
    found = set(entries(folder, ("storage", "public/storage")))
    assert "app/storage/code.php" in found
    assert not {"storage/log", "public/storage"} & found


def test_what_is_no_file_is_passed_over(folder: Path) -> None:
    before = pack(folder)
    os.mkfifo(folder / "pipe")
    (folder / "empty").mkdir()
    assert pack(folder) == before

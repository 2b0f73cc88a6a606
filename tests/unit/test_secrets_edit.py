"""Editing: in memory only, gone on every way out, and only what was changed is sealed anew."""

import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from configs import PROJECT, ConfigurationError
from configs.secrets import load_secrets, secrets_path
from configs.secrets.editing import Changes, edit
from configs.secrets.initialising import initialise
from configs.secrets.memory import folder_in_memory
from configs.secrets.store import open_store

Environ = dict[str, str]


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    environ = {
        "CHOM_SECRETS_FILE": str(tmp_path / ".secrets.env"),
        "CHOM_SECRETS_KEY_FILE": str(tmp_path / "home" / "secrets.key"),
        "PATH": os.environ["PATH"],
    }
    initialise(secrets_path(environ), environ)
    open_store(secrets_path(environ), environ).write({"A": "geheim", "B": "it's\n\\", "C": "x"})
    return environ


def editor(environ: Environ, tmp_path: Path, code: str) -> None:
    """An editor that runs this code; `path` and `text` are the file's."""
    script = tmp_path / "editor.py"
    place = f"pathlib.Path({str(tmp_path / 'place')!r}).write_text(str(path.parent))"
    head = (
        "import os, pathlib, sys, time\npath = pathlib.Path(sys.argv[1])\ntext = path.read_text()"
    )
    script.write_text(f"{head}\n{place}\n{code}")
    environ["EDITOR"] = f"{sys.executable} '{script}'"


def left(environ: Environ) -> bool:
    """Whether the folder that the editor was given is still there."""
    place = secrets_path(environ).with_name("place")
    return place.exists() and Path(place.read_text()).exists()


def refused(environ: Environ) -> str:
    before = secrets_path(environ).read_bytes()
    with pytest.raises(ConfigurationError) as refusal:
        edit(secrets_path(environ), environ)
    assert secrets_path(environ).read_bytes() == before
    assert not left(environ)
    assert "geheim" not in str(refusal.value)
    return str(refusal.value)


def test_only_what_was_changed_is_sealed_anew(environ: Environ, tmp_path: Path) -> None:
    before = secrets_path(environ).read_text().splitlines()
    editor(
        environ, tmp_path, "path.write_text(text.replace(\"C='x'\", \"C='y'\") + \"D='neu'\\n\")"
    )
    changes = edit(secrets_path(environ), environ)
    assert changes == Changes(added=("D",), changed=("C",))
    after = secrets_path(environ).read_text().splitlines()
    assert after[:-2] == before[:-1]
    loaded = {name: secret.reveal() for name, secret in load_secrets(environ=environ).items()}
    assert loaded == {"A": "geheim", "B": "it's\n\\", "C": "y", "D": "neu"}


def test_a_line_taken_out_is_a_secret_removed(environ: Environ, tmp_path: Path) -> None:
    editor(environ, tmp_path, "path.write_text(text.replace(\"A='geheim'\\n\", ''))")
    assert edit(secrets_path(environ), environ) == Changes(removed=("A",))
    assert list(load_secrets(environ=environ)) == ["B", "C"]


@pytest.mark.parametrize("code", ["", "path.write_text('')", "path.write_text('# nothing')"])
def test_nothing_changed_is_nothing_written(environ: Environ, tmp_path: Path, code: str) -> None:
    before = secrets_path(environ).stat()
    editor(environ, tmp_path, code)
    assert edit(secrets_path(environ), environ) == Changes()
    assert secrets_path(environ).stat().st_ino == before.st_ino


def test_an_unencrypted_value_is_taken_over(environ: Environ, tmp_path: Path) -> None:
    path = secrets_path(environ)
    path.write_text(path.read_text() + "PLAIN=geheim\n")
    editor(environ, tmp_path, "")
    assert edit(path, environ) == Changes(changed=("PLAIN",))
    assert load_secrets(environ=environ)["PLAIN"].reveal() == "geheim"
    assert "geheim" not in path.read_text()


def test_the_plain_text_is_private_in_memory_and_then_gone(
    environ: Environ, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    editor(
        environ,
        tmp_path,
        "(path.parent / 'swap~').write_text(text)\n"
        f"pathlib.Path({str(note)!r}).write_text("
        "f'{path} {path.stat().st_mode:o} {path.parent.stat().st_mode:o} '"
        "f'{\"CHOM_SECRETS_KEY\" in os.environ}')",
    )
    key = (tmp_path / "home" / "secrets.key").read_text()
    edit(secrets_path(environ), {**environ, "CHOM_SECRETS_KEY": key})
    place, file_mode, folder_mode, has_key = note.read_text().split()
    assert place.startswith("/dev/shm/chom-")
    assert stat.S_IMODE(int(file_mode, 8)) == 0o600
    assert stat.S_IMODE(int(folder_mode, 8)) == 0o700
    assert has_key == "False"
    assert not left(environ)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("= geheim", "a line that is not understood"),
        ("D='geheim", "a line that is not understood"),
        ("d='geheim'", "a name that no secret can have"),
        ("A='geheim'", "the same name twice"),
        ("D=", "no value"),
        ("D=''", "no value"),
        ("D=geheim #1", "a # that would begin a comment, and cut the value off"),
    ],
)
def test_a_line_that_cannot_be_meant_so(
    environ: Environ, tmp_path: Path, line: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(environ, tmp_path, f"path.write_text(text + {line!r} + '\\n')")
    assert found in refused(environ)


def test_one_may_edit_again_and_loses_nothing(
    environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(
        environ,
        tmp_path,
        "path.write_text(text.replace('D=', \"D='y'\") if 'D=' in text else text + 'D=\\n')",
    )
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: "")
    assert edit(secrets_path(environ), environ) == Changes(added=("D",))


def test_one_may_give_up(environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(environ, tmp_path, "path.write_text('D=')")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    assert "no value" in refused(environ)


@pytest.mark.parametrize("code", ["path.unlink()", "path.write_bytes(b'\\xff')"])
def test_an_editor_that_leaves_no_text(environ: Environ, tmp_path: Path, code: str) -> None:
    editor(environ, tmp_path, code)
    assert "no file in UTF-8" in refused(environ)


def test_an_editor_that_fails(environ: Environ, tmp_path: Path) -> None:
    editor(environ, tmp_path, "sys.exit(3)")
    assert "ended with code 3" in refused(environ)


@pytest.mark.parametrize(
    ("command", "found"),
    [("/nowhere/editor -x", "no such file or directory"), ("vi '", "an open quote")],
)
def test_an_editor_that_is_none(environ: Environ, command: str, found: str) -> None:
    environ["EDITOR"] = command
    assert found in refused(environ)


def test_a_file_that_changed_meanwhile_is_not_overwritten(environ: Environ, tmp_path: Path) -> None:
    path = secrets_path(environ)
    editor(
        environ,
        tmp_path,
        "path.write_text(text.replace('geheim', 'anders'))\n"
        f"other = pathlib.Path({str(path)!r})\nother.write_text(other.read_text() + '# pulled\\n')",
    )
    with pytest.raises(ConfigurationError, match="a file that changed while you edited"):
        edit(path, environ)
    assert path.read_text().endswith("# pulled\n")


def test_without_storage_in_memory_nothing_is_written(
    environ: Environ, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("configs.secrets.memory.FOLDER", tmp_path)
    assert "no storage in memory" in refused(environ)
    monkeypatch.setattr("configs.secrets.memory._MOUNTS", tmp_path / "none")
    assert "no storage in memory" in refused(environ)


def test_an_exception_removes_the_folder() -> None:
    with pytest.raises(ZeroDivisionError), folder_in_memory() as folder:
        raise ZeroDivisionError
    assert not folder.exists()


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL], ids=str
)
def test_a_signal_leaves_no_plain_text(environ: Environ, tmp_path: Path, number: int) -> None:
    editor(environ, tmp_path, f"open({str(tmp_path / 'ready')!r}, 'w').close(); time.sleep(60)")
    command = [sys.executable, "-m", "configs", "secrets", "edit"]
    process = subprocess.Popen(
        command, cwd=PROJECT, env=environ, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _until((tmp_path / "ready").exists)
        assert left(environ)
        process.send_signal(number)
        process.wait(10)
        _until(lambda: not left(environ))
    finally:
        with suppress(ProcessLookupError):  # only SIGKILL leaves the editor running
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    assert len(load_secrets(environ=environ)) == 3


def test_ctrl_c_is_the_editors_own(environ: Environ, tmp_path: Path) -> None:
    editor(
        environ,
        tmp_path,
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "os.kill(os.getppid(), signal.SIGINT)\ntime.sleep(0.1)\n"
        "path.write_text(text.replace(\"C='x'\", \"C='y'\"))",
    )
    assert edit(secrets_path(environ), environ) == Changes(changed=("C",))


def _until(done: object) -> None:
    end = time.monotonic() + 60
    while not done():  # type: ignore[operator]
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)

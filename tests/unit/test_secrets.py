"""The secrets file and its values: what opens, what is refused, and that nothing shows itself."""

import copy
import json
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from configs import PROJECT, ConfigurationError, Problem
from configs.secrets import Secret, generate, load_secrets, random_value, secrets_path
from configs.secrets.cipher import Key
from configs.secrets.files import alone, write_whole
from configs.secrets.initialising import initialise
from configs.secrets.store import open_store

Environ = dict[str, str]


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    return {
        "CHOM_SECRETS_FILE": str(tmp_path / ".secrets.env"),
        "CHOM_SECRETS_KEY_FILE": str(tmp_path / "home" / "secrets.key"),
    }


@pytest.fixture
def path(environ: Environ) -> Path:
    path = secrets_path(environ)
    initialise(path, environ)
    store = open_store(path, environ)
    store.write({"SMTP_PASSWORD": "geheim", "DB_PASSWORD": "geheimer"})
    return path


def refused(path: Path, environ: Environ, *required: str) -> Problem:
    with pytest.raises(ConfigurationError) as refusal:
        load_secrets(path, environ=environ, required=required)
    assert "geheim" not in str(refusal.value)
    assert len(refusal.value.problems) == 1, refusal.value
    return refusal.value.problems[0]


# What opens


def test_what_is_stored_is_loaded_in_the_files_order(path: Path, environ: Environ) -> None:
    loaded = load_secrets(environ=environ)
    assert list(loaded) == ["SMTP_PASSWORD", "DB_PASSWORD"]
    assert loaded["DB_PASSWORD"].reveal() == "geheimer"


def test_the_file_is_dotenv_with_names_in_clear_and_private(path: Path) -> None:
    written = dotenv_values(path, interpolate=False)
    assert list(written) == ["SMTP_PASSWORD", "DB_PASSWORD"]
    assert all(token and token.startswith("gAAAA") for token in written.values())
    assert "geheim" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_default_place_is_beside_the_inventory() -> None:
    assert secrets_path({}) == PROJECT / "configs" / ".secrets.env"
    assert secrets_path({"CHOM_INVENTORY": "/a/b.yaml"}) == Path("/a/.secrets.env")


def test_without_a_file_there_are_no_secrets(environ: Environ) -> None:
    assert load_secrets(environ=environ) == {}


def test_the_mapping_is_fixed(path: Path, environ: Environ) -> None:
    loaded = load_secrets(environ=environ)
    with pytest.raises(TypeError):
        loaded["A"] = Secret("A", "x")  # type: ignore[index]


def test_a_change_touches_its_own_line_alone(path: Path, environ: Environ) -> None:
    path.write_text(path.read_text().replace("DB_PASS", "\n# of the database\nDB_PASS"))
    before = path.read_text().splitlines()
    open_store(path, environ).write({"SMTP_PASSWORD": "anders", "NEW": "x"})
    after = path.read_text().splitlines()
    differing = [(old, new) for old, new in zip(before, after, strict=False) if old != new]
    assert [old.partition("=")[0] for old, _ in differing] == ["SMTP_PASSWORD"]
    assert after[len(before) :][0].startswith("NEW=gAAAA")


def test_a_line_without_its_end_is_ended_first(path: Path, environ: Environ) -> None:
    path.write_text(path.read_text().rstrip("\n"))
    open_store(path, environ).write({"NEW": "x"})
    assert len(load_secrets(environ=environ)) == 3


# What does not show itself


def test_a_secret_never_shows_its_value() -> None:
    secret = Secret("A", "geheim")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>20}",
        f"{secret:>20}",
        "%s" % (secret,),  # noqa: UP031
    ]
    shown += [str([secret]), str({"a": secret}), "{}".format(secret)]  # noqa: UP032
    assert not any("geheim" in text for text in shown)
    assert secret.reveal() == "geheim"
    assert not hasattr(secret, "__dict__")


def test_a_secret_is_written_nowhere_by_accident() -> None:
    secret = Secret("A", "geheim")
    with pytest.raises(TypeError, match=r"Secret\(A\) is not written anywhere"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


def test_secrets_are_equal_by_name_and_value() -> None:
    assert Secret("A", "ü") == Secret("A", "ü")
    assert len({Secret("A", "x"), Secret("A", "x"), Secret("A", "y"), Secret("B", "x")}) == 3
    assert Secret("A", "x") != "x"


def test_a_key_shows_its_id_alone() -> None:
    key = Key.new()
    assert repr(key) == f"Key({key.id})"
    assert key.reveal()[:6] not in repr(key)


# What is refused


def test_two_swapped_values_are_each_refused(path: Path, environ: Environ) -> None:
    values = dotenv_values(path, interpolate=False)
    smtp, database = str(values["SMTP_PASSWORD"]), str(values["DB_PASSWORD"])
    text = path.read_text().replace(smtp, "@").replace(database, smtp).replace("@", database)
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        load_secrets(path, environ=environ)
    found = {problem.key: problem.found for problem in refusal.value.problems}
    assert found == {
        "SMTP_PASSWORD": "the value of DB_PASSWORD (line 4)",
        "DB_PASSWORD": "the value of SMTP_PASSWORD (line 5)",
    }


@pytest.mark.parametrize("change", ["cut", "flip", "garbage"])
def test_a_tampered_value_is_refused(path: Path, environ: Environ, change: str) -> None:
    token = str(dotenv_values(path, interpolate=False)["DB_PASSWORD"])
    flipped = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    other = {"cut": token[:-9], "flip": flipped, "garbage": "gAAAA\u00fc$"}[change]
    path.write_text(path.read_text().replace(token, other))
    problem = refused(path, environ)
    assert problem.key == "DB_PASSWORD"
    assert problem.found.startswith("a value that was changed, cut off, or sealed with another key")
    assert "git log -p" in problem.remedy
    assert problem.remedy.endswith("python -m configs secrets set DB_PASSWORD")
    assert open_store(path, environ).secret("SMTP_PASSWORD").reveal() == "geheim"


def test_an_unencrypted_value_is_refused_with_the_command(path: Path, environ: Environ) -> None:
    path.write_text(path.read_text() + "API_TOKEN=geheim\n")
    problem = refused(path, environ)
    assert (problem.key, problem.found) == ("API_TOKEN", "an unencrypted value on line 6")
    assert problem.remedy.startswith("python -m configs secrets set API_TOKEN\n")


def test_the_command_encrypts_it_whatever_else_is_unencrypted(path: Path, environ: Environ) -> None:
    path.write_text(path.read_text() + "A=geheim\nB='geheim\ngeheim'\n")
    open_store(path, environ).write({"B": "geheim"})
    assert refused(path, environ).key == "A"
    open_store(path, environ).write({"A": "geheim"})
    assert "geheim" not in path.read_text()
    assert len(load_secrets(environ=environ)) == 4


@pytest.mark.parametrize("line", ["EMPTY=", "EMPTY"])
def test_a_name_without_a_value_is_refused(path: Path, environ: Environ, line: str) -> None:
    path.write_text(path.read_text() + line + "\n")
    assert refused(path, environ).found == "nothing on line 6"


@pytest.mark.parametrize(
    ("line", "key", "found"),
    [
        ("= geheim", "line 7", "a line that is neither a comment nor `NAME=value`"),
        ("A='geheim", "line 7", "a line that is neither a comment nor `NAME=value`"),
        ("geheim=x", "line 7", "a name that no secret can have"),
        ("1A=x", "line 7", "a name that no secret can have"),
        ("DB_PASSWORD=x", "DB_PASSWORD", "the same name on lines 5 and 7"),
    ],
)
def test_a_line_that_is_none_of_ours(
    path: Path, environ: Environ, line: str, key: str, found: str
) -> None:
    path.write_text(path.read_text() + "\n" + line + "\n")
    problem = refused(path, environ)
    assert (problem.key, problem.found) == (key, found)


def test_the_marks_of_a_merge_are_refused(path: Path, environ: Environ) -> None:
    path.write_text("<<<<<<< ours\n" + path.read_text() + ">>>>>>> theirs\n")
    with pytest.raises(ConfigurationError) as refusal:
        load_secrets(path, environ=environ)
    assert "after a merge" in str(refusal.value)


def test_a_secret_that_is_not_there(path: Path, environ: Environ) -> None:
    problem = refused(path, environ, "SMTP_PASSWORD", "API_TOKEN")
    assert (problem.key, problem.found) == ("API_TOKEN", "nothing")
    assert problem.remedy == "python -m configs secrets set API_TOKEN"
    with pytest.raises(ConfigurationError):
        open_store(path, environ).secret("API_TOKEN")


def test_no_file_where_one_is_needed(environ: Environ) -> None:
    problem = refused(secrets_path(environ), environ, "SMTP_PASSWORD")
    assert (problem.found, problem.remedy) == ("no such file", "python -m configs secrets init")


def test_a_file_that_is_no_text(path: Path, environ: Environ) -> None:
    path.write_bytes(b"\xff")
    assert refused(path, environ).found == "bytes that are not UTF-8"


def test_a_folder_in_place_of_the_file(tmp_path: Path, environ: Environ) -> None:
    assert refused(tmp_path, environ).found == "is a directory"


def test_what_is_no_text_is_not_stored(path: Path, environ: Environ) -> None:
    with pytest.raises(ConfigurationError, match="bytes that are not UTF-8"):
        open_store(path, environ).write({"A": "\udcff"})


def test_a_second_beginning_is_refused(path: Path, environ: Environ) -> None:
    with pytest.raises(ConfigurationError, match=r"sealed with the key [0-9a-f]{12} already"):
        initialise(path, environ)


def test_a_file_begun_by_hand_gets_its_header(environ: Environ) -> None:
    path = secrets_path(environ)
    path.write_text("# mine\nA=geheim\n")
    initialise(path, environ)
    assert path.read_text().endswith("# mine\nA=geheim\n")
    assert refused(path, environ).key == "A"


# Files


def test_a_file_that_cannot_be_written_stays_as_it_is(
    path: Path, environ: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("configs.secrets.files.os.fsync", full)
    with pytest.raises(ConfigurationError, match="could not be written: no space left on device"):
        open_store(path, environ).write({"A": "x"})
    assert path.read_bytes() == before
    assert sorted(os.listdir(path.parent)) == [".secrets.env", "home"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "x"


def test_one_command_at_a_time(path: Path, environ: Environ) -> None:
    with alone(path), pytest.raises(ConfigurationError, match="another command is changing"):
        generate("A", "password", environ=environ)
    generate("A", "password", environ=environ)


def test_a_disk_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("configs.secrets.files.fcntl.flock", none)
    with pytest.raises(ConfigurationError, match="cannot be locked: no locks available"):
        generate("A", "password", environ={"CHOM_SECRETS_FILE": str(path)})


def test_a_folder_that_is_none(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a folder that you can open"), alone(path / "x"):
        pass


# Generated values


def test_generated_values_have_their_form() -> None:
    assert len(random_value("password")) == 32
    assert random_value("password").isalnum()
    key = random_value("laravel_app_key")
    assert key.startswith("base64:")
    assert len(key) == len("base64:") + 44
    assert len({random_value("password") for _ in range(50)}) == 50


def test_a_generated_value_is_stored_and_stays(path: Path, environ: Environ) -> None:
    first = generate("APP_KEY", "laravel_app_key", environ=environ)
    assert generate("APP_KEY", "laravel_app_key", path, environ=environ) == first
    assert load_secrets(environ=environ)["APP_KEY"] == first
    assert first.reveal() not in path.read_text()


def test_a_name_that_no_secret_can_have_is_not_repeated(path: Path, environ: Environ) -> None:
    with pytest.raises(ConfigurationError, match="a name that no secret can have") as refusal:
        generate("geheim", "password", environ=environ)
    assert "geheim" not in str(refusal.value)


# What it costs, and what is ignored


def test_the_settings_alone_import_neither_cryptography_nor_dotenv() -> None:
    code = (
        "import sys, configs, configs.__main__ as m; m.parser()\n"
        "print(sorted({'cryptography', 'dotenv', 'configs.secrets'} & sys.modules.keys()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    ("file", "ignored"),
    [
        ("configs/.secrets.env", False),
        ("configs/.secrets.env.example", False),
        ("configs/inventory.yaml", False),
        ("configs/secrets/store.py", False),
        ("configs/.secrets.env.new", True),
        ("configs/.secrets.plain.env", True),
        ("configs/.secrets.env.plain", True),
        ("configs/secrets.env", True),
        (".secrets.env", True),
        (".env", True),
        (".env.local", True),
        ("secrets.key", True),
        ("secrets.key.0123456789ab", True),
    ],
)
def test_git_takes_the_encrypted_file_alone(tmp_path: Path, file: str, ignored: bool) -> None:
    (tmp_path / ".gitignore").write_bytes((PROJECT / ".gitignore").read_bytes())
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    asked = subprocess.run(["git", "check-ignore", "-q", file], cwd=tmp_path)
    assert (asked.returncode == 0) is ignored

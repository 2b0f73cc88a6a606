"""Whatever is given by mistake ends with what to do, without a traceback or a connection.

Some thousand inputs: inventories, secrets files, the environment and the command line, each valid
but for what has befallen it. The same ones each time.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs import PROJECT
from configs.secrets.initialising import initialise
from configs.secrets.store import changing
from tests.unit.inputs import VALID, arguments, damaged, environments, inventories, written
from tests.unit.keys import PRIVATE_KEY
from tests.unit.starting import Start, start

DRY = ["deploy.py", "--dry"]
ODD_FILES = ["a folder", "a link to nowhere", "a link to itself", "nothing", "empty", "blank"]
# What a remedy begins with, in all messages of the start.
REMEDY = re.compile(r"^ +do: +\S|; set CHOM_SUDO|: add -y to deploy|^Confirm", re.MULTILINE)


def cases(count: int) -> settings:
    """So many of them, and the same each time."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        suppress_health_check=checks,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key, known hosts, a valid inventory and valid secrets."""
    folder = tmp_path_factory.mktemp("input")
    (folder / "key").touch(mode=0o600)
    (folder / "key").write_text(PRIVATE_KEY)
    (folder / "known_hosts").touch()
    (folder / "inventory.yaml").write_bytes(valid(folder))
    path, environ = folder / "valid.env", _environ(folder)
    initialise(path, environ)
    with changing(path, environ) as store:
        store.write({"SMTP_PASSWORD": "not for everyone", "REDIS_PASSWORD": "1234567890"})
    return folder


def valid(folder: Path) -> bytes:
    return written(folder, yaml.safe_dump(VALID, sort_keys=False).encode())


def _environ(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CHOM_INVENTORY": str(folder / "inventory.yaml"),
        "CHOM_SECRETS_FILE": str(folder / "secrets.env"),
        "CHOM_SECRETS_KEY_FILE": str(folder / "secrets.key"),
    }


def judge(outcome: Start) -> None:
    """It goes on, or says what to do; pyinfra's own words for a wrong call are click's."""
    assert outcome.code in (None, 0, 1, 2), outcome
    assert "Traceback" not in outcome.text
    if outcome.code == 1:
        assert REMEDY.search(outcome.text), outcome.text


def test_what_they_are_made_of_is_accepted(folder: Path) -> None:
    assert start(DRY, _environ(folder)) == Start(None, "")


class TestInventory:
    """A file's values, its text, and what stands in its place."""

    @cases(1200)
    @given(content=inventories())
    def test_values(self, folder: Path, content: bytes) -> None:
        judge(self._start(folder, content))

    @cases(800)
    @given(data=st.data())
    def test_text(self, folder: Path, data: st.DataObject) -> None:
        judge(self._start(folder, data.draw(damaged(valid(folder)))))

    @pytest.mark.parametrize("kind", ODD_FILES)
    def test_file(self, folder: Path, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "inventory.yaml"
        odd_file(path, kind)
        outcome = start(DRY, {**_environ(folder), "CHOM_INVENTORY": str(path)})
        assert outcome.code == 1
        judge(outcome)

    def _start(self, folder: Path, content: bytes) -> Start:
        path = folder / "other.yaml"
        path.write_bytes(written(folder, content))
        return start(DRY, {**_environ(folder), "CHOM_INVENTORY": str(path)})


class TestSecrets:
    """The file, its key, and what stands in their places."""

    @cases(600)
    @given(data=st.data())
    def test_text(self, folder: Path, data: st.DataObject) -> None:
        content = data.draw(damaged((folder / "valid.env").read_bytes()))
        (folder / "damaged.env").write_bytes(content)
        judge(start(DRY, {**_environ(folder), "CHOM_SECRETS_FILE": str(folder / "damaged.env")}))

    @cases(300)
    @given(data=st.data())
    def test_key(self, folder: Path, data: st.DataObject) -> None:
        content = data.draw(damaged((folder / "secrets.key").read_bytes()))
        (folder / "damaged.key").write_bytes(content)
        (folder / "damaged.key").chmod(0o600)
        files = {
            "CHOM_SECRETS_FILE": str(folder / "valid.env"),
            "CHOM_SECRETS_KEY_FILE": str(folder / "damaged.key"),
        }
        judge(start(DRY, {**_environ(folder), **files}))

    @pytest.mark.parametrize("variable", ["CHOM_SECRETS_FILE", "CHOM_SECRETS_KEY_FILE"])
    @pytest.mark.parametrize("kind", ODD_FILES)
    def test_file(self, folder: Path, tmp_path: Path, variable: str, kind: str) -> None:
        environ = {**_environ(folder), "CHOM_SECRETS_FILE": str(folder / "valid.env")}
        odd_file(tmp_path / "odd", kind)
        judge(start(["deploy.py", "-y"], {**environ, variable: str(tmp_path / "odd")}))


class TestCalling:
    """The environment and the command line."""

    @cases(1200)
    @given(environ=environments)
    def test_environment(self, folder: Path, environ: dict[str, str]) -> None:
        judge(start(DRY, {**_environ(folder), **environ}))

    @cases(1200)
    @given(words=arguments())
    def test_command_line(self, folder: Path, words: list[str]) -> None:
        judge(start(words, _environ(folder)))


def odd_file(path: Path, kind: str) -> None:
    """Put something in a file's place."""
    match kind:
        case "a folder":
            path.mkdir()
        case "a link to nowhere":
            path.symlink_to(path.with_name("nowhere"))
        case "a link to itself":
            path.symlink_to(path)
        case "empty":
            path.touch(mode=0o600)
        case "blank":
            path.write_text("\n \n\t\n")


# What pyinfra is really called with, and a part of what is said.
CALLS = [
    (["deploy.py", "-y", "--data", "foo"], {}, "write --data foo=VALUE"),
    (["deploy.py", "-y", "--data", ""], {}, "no value"),
    (["deploy.py", "-y", "--data", "a=" + "[" * 5000], {}, "brackets"),
    (["deploy.py", "-y", "--data", "onyl=redis"], {}, "did you mean only?"),
    (["deploy.py", "-y", "--data", "lock_wait=" + "9" * 5000], {}, "number of seconds"),
    (["deploy.py", "-y", "--data", "php.children=many"], {}, "php.children"),
    (["deploy.py", "-y", "--limit", "wbe"], {}, "did you mean web?"),
    (["deploy.py", "-y", "--exclude", "*"], {}, "no target is left"),
    (["deploy.py"], {}, "add -y to deploy"),
    (["verify.py", "--limit", "nobody"], {}, "no such target"),
    (["rollback.py", "-y", "--data", "app=shp"], {}, "shop"),
    (["teardown.py", "-y", "--data", "only=nothing"], {}, "nothing"),
    (["deploy.py", "-y"], {"CHOM_INVENTORY": "~nobody/x"}, "no such file"),
    (["deploy.py", "-y"], {"CHOM_INVENTORY": "/"}, "is a directory"),
    (["deploy.py", "-y"], {"CHOM_SETTING__PHP__VERSIONS": ""}, "CHOM_SETTING__PHP__VERSIONS"),
    (["deploy.py", "-y"], {"CHOM_SETTING__PHP__CHILDREN": "!!bool"}, "no single value"),
    (["deploy.py", "-y"], {"CHOM_SETTING__PHP__CHILDREN": "[" * 999}, "no single value"),
    (["deploy.py", "-y"], {"CHOM_SECRETS_KEY": "short"}, "cut off"),
    (["deploy.py", "-y", "--json"], {"CHOM_SETTINGS__X": "1"}, "an unknown setting"),
]


@pytest.mark.parametrize(("words", "environ", "said"), CALLS)
def test_the_command_itself(
    folder: Path, words: list[str], environ: dict[str, str], said: str
) -> None:
    done = _pyinfra(folder, words, environ)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr and "Connecting" not in done.stderr
    assert done.stdout == ""
    judge(Start(done.returncode, done.stderr))


def test_damaged_private_key_is_told_before_a_connection(folder: Path) -> None:
    (folder / "cut").touch(mode=0o600)
    (folder / "cut").write_text("".join(PRIVATE_KEY.splitlines(True)[:3]))
    path = folder / "cut.yaml"
    path.write_bytes(valid(folder).replace(b"/key\n", b"/cut\n"))
    done = _pyinfra(folder, ["deploy.py", "-y"], {"CHOM_INVENTORY": str(path)})
    assert done.returncode == 1
    assert "no key that can be read" in done.stderr and "ssh-keygen -y -f" in done.stderr
    assert "Traceback" not in done.stderr and "failed to connect" not in done.stderr


@pytest.mark.parametrize("words", [["depoly.py"], ["nonsense"], ["--no-such-flag", "deploy.py"]])
def test_pyinfra_tells_a_wrong_call_itself(folder: Path, words: list[str]) -> None:
    done = _pyinfra(folder, words, {})
    assert done.returncode in (1, 2)
    assert words[0] in done.stderr
    assert "Traceback" not in done.stderr and "Connecting" not in done.stderr


def _project_without_history(folder: Path) -> Path:
    """A copy of the project: this checkout may have a history, signed with another key."""
    copy = folder / "project"
    if not copy.exists():
        copy.mkdir()
        for path in (*PROJECT.glob("*.py"), PROJECT / "pyproject.toml"):
            shutil.copy(path, copy)
        for name in ("configs", "facts", "state", "tasks"):
            shutil.copytree(PROJECT / name, copy / name)
    return copy


def _pyinfra(
    folder: Path, words: list[str], environ: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("pyinfra"), "inventory.py", *words],
        cwd=_project_without_history(folder),
        env={**_environ(folder), "CHOM_SECRETS_FILE": str(folder / "valid.env"), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


# What has ended in a traceback once, or in no end at all.
NESTED = b"targets: " + b"[" * 100_000
SETTINGS_OF_ONE = b"settings:\n      php:\n        children: 10"
ALIASES = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: NESTED, "inside each other"),
        (lambda text: ALIASES, "more than 100000 values"),
        (lambda text: text.replace(b"children: 10", b"children: !!bool ten"), "php.children"),
        (lambda text: text.replace(b"children: 10", b"children: !!timestamp ten"), "php.children"),
        (lambda text: text.replace(b"port: 2222", b"key: ~nobody/key"), "~nobody/key"),
        (
            lambda text: text.replace(
                b"settings:\n      php:\n        children: 10", b"settings: 7"
            ),
            "targets.web.settings",
        ),
    ],
)
def test_inventory_that_was_too_much(folder: Path, change: Any, said: str) -> None:
    content = change(valid(folder))
    assert content != valid(folder)
    (folder / "once.yaml").write_bytes(content)
    outcome = start(DRY, {**_environ(folder), "CHOM_INVENTORY": str(folder / "once.yaml")})
    assert outcome.code == 1
    assert said in outcome.text
    judge(outcome)

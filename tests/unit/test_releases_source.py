"""Where a release's files come from: real git with a repository in a folder, and archives."""

import os
import pwd
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tasks.releases.host import commands, source
from tasks.releases.host.app import App, Confinement
from tasks.releases.host.commands import Failed, run
from tests.unit.releasing import NAME


class Repository:
    """A repository of somebody's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        author = ["-c", "user.name=a", "-c", "user.email=a@b.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", "-C", str(self.folder), *author, *words], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, path: str, text: str) -> str:
        (self.folder / path).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", text)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    # Nobody's own settings change what git does here.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setattr(commands, "confined_command", unconfined)
    made = Repository(tmp_path / "theirs")
    made.commit("artisan", "one")
    return made


def unconfined(
    unit: str, properties: Sequence[str], command: Sequence[str], cwd: Path, env: Mapping[str, str]
) -> list[str]:
    """The same command as whoever runs the tests."""
    return ["env", *(f"{name}={value}" for name, value in env.items()), *command]


def described(folder: Path, **changes: object) -> App:
    (folder / NAME).mkdir(exist_ok=True)
    common: dict[str, object] = dict.fromkeys(App.__dataclass_fields__, "")
    user = pwd.getpwuid(os.getuid()).pw_name
    common |= {"name": NAME, "build": Confinement(user, ())}
    common |= {"base": folder / NAME, "repository": str(folder / "theirs"), "branch": "main"}
    return App(**{**common, "revision": None, "known_hosts": "/known", **changes})  # type: ignore[arg-type]


def unpacked(app: App, folder: Path) -> dict[str, str]:
    """What a release gets of what is wanted now."""
    release = folder / "release"
    release.mkdir()
    source.unpack(app, source.wanted(app), release)
    found = {path.name: path.read_text() for path in release.iterdir()}
    for path in release.iterdir():
        path.unlink()
    release.rmdir()
    return found


def test_the_newest_commit_of_a_branch_is_wanted(repository: Repository, tmp_path: Path) -> None:
    newest = repository.commit("artisan", "two")
    app = described(tmp_path)
    assert source.wanted(app) == newest
    assert unpacked(app, tmp_path) == {"artisan": "two"}


def test_a_branch_whose_history_was_written_anew(repository: Repository, tmp_path: Path) -> None:
    app = described(tmp_path)
    unpacked(app, tmp_path)
    repository.git("commit", "-q", "--amend", "-m", "another")
    repository.commit("artisan", "anew")
    assert unpacked(app, tmp_path) == {"artisan": "anew"}


@pytest.mark.parametrize("options", [(), ("-a", "-m", "a tag that is an object")])
def test_a_tag_is_the_commit_that_it_is_of(
    repository: Repository, tmp_path: Path, options: tuple[str, ...]
) -> None:
    tagged = repository.git("rev-parse", "HEAD")
    repository.git("tag", *options, "v1.0")
    repository.commit("artisan", "two")
    app = described(tmp_path, branch="v1.0")
    assert source.wanted(app) == tagged
    assert unpacked(app, tmp_path) == {"artisan": "one"}


def test_a_pinned_commit_is_wanted_whatever_is_newer(
    repository: Repository, tmp_path: Path
) -> None:
    pinned = repository.git("rev-parse", "HEAD")
    repository.commit("artisan", "two")
    assert unpacked(described(tmp_path, revision=pinned), tmp_path) == {"artisan": "one"}


def test_a_branch_that_is_not_there(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(Failed) as failure:
        source.wanted(described(tmp_path, branch="live"))
    assert failure.value.step == "fetch"
    assert failure.value.output[0].endswith("has no branch and no tag live")


def test_a_branch_is_no_pattern(repository: Repository, tmp_path: Path) -> None:
    """Git would take the names of two branches that end alike for one."""
    repository.git("branch", "feature/main")
    assert source.wanted(described(tmp_path)) == repository.git("rev-parse", "main")


def test_a_commit_that_is_not_there(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(Failed) as failure:
        unpacked(described(tmp_path, revision="1" * 40), tmp_path)
    assert failure.value.step == "fetch"
    assert failure.value.output[0].startswith(f"there is no commit {'1' * 40} on any branch or tag")


def test_a_submodule_is_refused_by_its_path(repository: Repository, tmp_path: Path) -> None:
    """Also one that .gitmodules does not know, as of a repository that was added as a folder."""
    inner = Repository(repository.folder / "packages")
    inner.commit("a", "inner")
    for number in range(2000):  # more than a pipe holds
        (repository.folder / f"file{number}").write_text("")
    repository.commit("artisan", "two")
    with pytest.raises(Failed) as failure:
        unpacked(described(tmp_path), tmp_path)
    assert failure.value.output[0] == "submodules, which are not fetched: packages"


def test_what_is_left_out_of_downloads_is_released(repository: Repository, tmp_path: Path) -> None:
    (repository.folder / "tests").mkdir()
    (repository.folder / "tests/a").write_text("a")
    repository.commit(".gitattributes", "/tests export-ignore\nartisan export-ignore\n")
    repository.commit("artisan", "two")
    app = described(tmp_path)
    release = tmp_path / "release"
    release.mkdir()
    source.unpack(app, source.wanted(app), release)
    assert (release / "tests/a").read_text() == "a" and (release / "artisan").read_text() == "two"


@pytest.mark.parametrize("branch", ["feature/#123", "x/@babel/y", "größe", "a'b$(c)"])
def test_a_branch_by_any_name_that_git_takes(
    repository: Repository, tmp_path: Path, branch: str
) -> None:
    repository.git("branch", branch)
    newest = repository.commit("artisan", "two")
    repository.git("branch", "-f", branch)
    repository.commit("artisan", "three")
    assert source.wanted(described(tmp_path, branch=branch)) == newest
    assert unpacked(described(tmp_path, branch=branch), tmp_path) == {"artisan": "two"}


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../outside"])
def test_a_link_that_leads_out_is_refused(
    repository: Repository, tmp_path: Path, target: str
) -> None:
    (repository.folder / "leads").symlink_to(target)
    repository.commit("artisan", "two")
    with pytest.raises(Failed) as failure:
        unpacked(described(tmp_path), tmp_path)
    assert failure.value.step == "fetch"
    assert "there is what no release may have" in failure.value.output[0]


def test_the_copy_of_the_repository_is_for_the_build_user_alone(
    repository: Repository, tmp_path: Path
) -> None:
    app = described(tmp_path)
    unpacked(app, tmp_path)
    assert (app.base / "repository.git").stat().st_mode & 0o777 == 0o700


def test_git_asks_nobody_and_knows_the_server_by_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    def spy(step: str, app: App, who: Confinement, command: Sequence[str], **options: Any) -> str:
        seen.update(options["env"], command=shlex.join(command), user=who.user)
        seen.update(options["credentials"])
        return ""

    monkeypatch.setattr(source, "run_confined", spy)
    app = described(tmp_path, repository="git@example.org:a/b", deploy_key="/etc/chom/apps/a.key")
    with pytest.raises(Failed):
        source.wanted(app)
    ssh = seen["GIT_SSH_COMMAND"]
    assert seen["GIT_TERMINAL_PROMPT"] == "0" and "-o BatchMode=yes" in ssh
    assert "-o StrictHostKeyChecking=yes" in ssh and "-o UserKnownHostsFile=/known" in ssh
    # The key itself stays root's; systemd hands it to this command alone.
    assert seen["deploy_key"] == "/etc/chom/apps/a.key"
    assert ssh.endswith("-o IdentitiesOnly=yes -i")
    assert "$GIT_SSH_COMMAND $CREDENTIALS_DIRECTORY/deploy_key" in seen["command"]


def test_the_hash_of_handed_over_files_is_what_is_wanted(tmp_path: Path) -> None:
    app = described(tmp_path, repository=None, revision="a" * 64)
    assert source.wanted(app) == "a" * 64


# The commands themselves


def test_a_command_that_fails_says_what_it_printed_and_its_code() -> None:
    with pytest.raises(Failed) as failure:
        run("try", ["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert failure.value.output[:2] == ["out", "err"]
    assert failure.value.output[-1].endswith("exit code 3")
    assert str(failure.value) == "the step try failed"


def test_a_command_that_takes_too_long_is_ended() -> None:
    with pytest.raises(Failed) as failure:
        run("try", ["sh", "-c", "echo begun; exec sleep 60"], timeout_s=0)
    assert failure.value.output[-1] == "not done within 0 s"


def test_a_command_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(Failed, match="the step try failed"):
        run("try", ["/nowhere/to/be/found"])


def test_a_command_has_no_input_and_no_environment_but_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOMEBODYS_PASSWORD", "geheim")
    said = run("try", ["sh", "-c", "cat; env"], env={"HOME": "/nowhere"})
    found = dict(line.split("=", 1) for line in said.splitlines())
    assert found.keys() <= {"PATH", "LANG", "HOME", "PWD", "SHLVL", "_", "OLDPWD"}
    assert found["PATH"] == commands.PATH


def test_what_is_no_text_is_no_reason_to_fail() -> None:
    assert run("try", ["printf", "\\377ok"]) == "\ufffdok"

"""What a plan tells of a release before it is made: real git, and nothing written anywhere."""

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from facts.previews import MAX_NAMES, ReleaseChange, release_change
from tasks.effects import Effect, listening
from tasks.operations import releases as operations
from tasks.releases.host import __main__ as program
from tasks.releases.host import preview, source
from tasks.releases.host.app import App
from tasks.releases.host.commands import Failed
from tasks.releases.host.history import History
from tests.unit.releasing import Machine
from tests.unit.test_releases_source import Repository, described, repository

__all__ = ["repository"]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The migrations that the database knows."""
    names: list[str] = []
    monkeypatch.setattr(preview, "query", lambda app, step, question: "\n".join([*names, ""]))
    return names


def serving(app: App, revision: str) -> None:
    """Have a release of a revision serve."""
    release = app.releases / "20261123-120000-abc"
    release.mkdir(parents=True, exist_ok=True)
    app.current.unlink(missing_ok=True)
    app.current.symlink_to("releases/20261123-120000-abc")
    History(app).note(release.name, "live", revision=revision, inputs="x")


def wanted(app: App, **changes: object) -> dict[str, object]:
    return {"repository": app.repository, "branch": app.branch, "revision": None, **changes}


def digest(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def migration(repository: Repository, name: str) -> str:
    (repository.folder / "database/migrations").mkdir(parents=True, exist_ok=True)
    return repository.commit(f"database/migrations/{name}.php", f"Add {name}")


def test_commits_from_to_and_the_migrations_that_wait(
    repository: Repository, tmp_path: Path, done: list[str]
) -> None:
    app = described(tmp_path)
    old = migration(repository, "2026_01_01_000000_first")
    release = tmp_path / "release"
    release.mkdir()
    source.unpack(app, old, release)
    serving(app, old)
    done.append("2026_01_01_000000_first")
    repository.commit("artisan", "Two\x1b[31m things\nand a body")
    new = migration(repository, "2026_02_01_000000_second")
    before = digest(tmp_path / "shop"), digest(tmp_path / "theirs")
    assert preview.preview(app, wanted(app)) == {
        "old": old,
        "new": new,
        "coming": 2,
        "leaving": 0,
        "subjects": ["Add 2026_02_01_000000_second", "Two [31m things and a body"],
        "migrations": ["2026_02_01_000000_second"],
        "waiting": 1,
    }
    assert (digest(tmp_path / "shop"), digest(tmp_path / "theirs")) == before


def test_what_was_taken_back_is_counted(
    repository: Repository, tmp_path: Path, done: list[str]
) -> None:
    app, first = described(tmp_path), repository.git("rev-parse", "HEAD")
    second = repository.commit("artisan", "two")
    serving(app, second)
    found = preview.preview(app, wanted(app, revision=first))
    assert (found["coming"], found["leaving"], found["subjects"]) == (0, 1, [])


def test_a_branch_that_the_description_does_not_have_yet(
    repository: Repository, tmp_path: Path, done: list[str]
) -> None:
    app = described(tmp_path, branch="nowhere")
    serving(app, repository.git("rev-parse", "HEAD"))
    repository.git("checkout", "-q", "-b", "feature/#1")
    new = repository.commit("artisan", "two")
    assert preview.preview(app, wanted(app, branch="feature/#1"))["new"] == new
    with pytest.raises(Failed):
        preview.preview(app, wanted(app))


def test_before_the_first_release_and_after_history_was_written_anew(
    repository: Repository, tmp_path: Path, done: list[str]
) -> None:
    app = described(tmp_path)
    found = preview.preview(app, wanted(app))
    assert (found["old"], found["coming"], found["leaving"]) == ("", None, None)
    serving(app, "1" * 40)
    found = preview.preview(app, wanted(app))
    assert (found["old"], found["coming"]) == ("1" * 40, None)


def test_a_commit_that_a_rollback_left_does_not_come(
    repository: Repository, tmp_path: Path, done: list[str]
) -> None:
    app, first = described(tmp_path), repository.git("rev-parse", "HEAD")
    second = repository.commit("artisan", "two")
    serving(app, first)
    History(app).note("20261123-130000-bad", "live", revision=second, inputs="y")
    (app.releases / "20261123-130000-bad").mkdir()
    History(app).note("20261123-130000-bad", "left", revision=second, by="alice")
    found = preview.preview(app, wanted(app))
    assert (found["old"], found["new"]) == (first, first)


def test_what_the_repository_says_is_limited(
    repository: Repository, tmp_path: Path, done: list[str]
) -> None:
    app = described(tmp_path)
    serving(app, repository.git("rev-parse", "HEAD"))
    for number in range(30):
        migration(repository, f"{number:02}_" + "x" * 200)
    found = preview.preview(app, wanted(app))
    assert (found["coming"], found["waiting"]) == (30, 30)
    assert len(found["subjects"]) == len(found["migrations"]) == preview.MAX_NAMES
    assert max(map(len, [*found["subjects"], *found["migrations"]])) == preview.MAX_CHARACTERS


def test_files_of_a_folder_have_no_commits_but_migrations(tmp_path: Path, done: list[str]) -> None:
    app = described(tmp_path, repository=None)
    done.append("2026_01")
    found = preview.preview(
        app,
        {"repository": None, "branch": "main", "revision": "a" * 64,
         "migrations": ["2026_02.php", "2026_01.php", "README.md"]},
    )  # fmt: skip
    assert found["coming"] is None and found["new"] == "a" * 64
    assert found["migrations"] == ["2026_02"]


def test_the_command_prints_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    monkeypatch.setattr(App, "read", lambda name: machine.app)
    machine.fails = {"mariadb select migration from migrations"}  # there is no such table yet
    text = json.dumps({"repository": None, "branch": "main", "revision": "b" * 64,
                       "migrations": ["2026_02.php"]})  # fmt: skip
    assert program.main(["preview", "shop", text]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["migrations"] == ["2026_02"]
    assert {*machine.commands} == {"mariadb select migration from migrations"}


# What the plan makes of the answer


def test_a_target_cannot_write_another_line_of_the_plan() -> None:
    forged = json.dumps({"old": "1", "new": "2", "subjects": ["a\n    web2  nothing to do\x1b[2J"]})
    found = release_change([forged])
    assert found and found.subjects == ["a     web2  nothing to do [2J"]


@pytest.mark.parametrize(
    "told",
    [
        {"old": "1"},
        {"old": 1, "new": "2"},
        {"old": "1", "new": "2", "waiting": "many"},
        {"old": "1", "new": "2", "else": 1},
        {"old": "1", "new": "2", "subjects": ["x"] * (MAX_NAMES + 1)},
        [],
    ],
)
def test_what_the_program_would_not_say_is_no_preview(told: object) -> None:
    assert release_change([json.dumps(told)]) is None
    assert release_change(["{}", "{}"]) is None and release_change(["[" * 100_000]) is None


@pytest.mark.parametrize(
    ("answer", "effect"),
    [
        (
            ['{"old": "1", "new": "2"}'],
            Effect("change", "Release of shop", release=ReleaseChange(old="1", new="2")),
        ),
        (
            ['{"old": "", "new": "2"}'],
            Effect("create", "Release of shop", release=ReleaseChange(old="", new="2")),
        ),
        (
            ["", "git@x:a has no branch and no tag nowhere", "shop: the step fetch failed"],
            Effect(
                "change",
                "Release of shop",
                "as it stands it will fail: git@x:a has no branch and no tag nowhere",
            ),
        ),
        ([""], None),
        (["", "shop is not described as it should be: deploy it"], None),
        ([], None),
    ],
)
def test_the_answer_becomes_a_part_of_the_plan(
    monkeypatch: pytest.MonkeyPatch, answer: list[str], effect: Effect | None
) -> None:
    asked: list[str] = []

    def get_fact(fact: type, shell: str) -> list[str]:
        asked.append(shell)
        return answer

    monkeypatch.setattr(operations, "host", SimpleNamespace(get_fact=get_fact))
    with listening() as effects:
        operations._preview("shop", {"branch": "a'b $(id)"})
    assert effects == ([effect] if effect else [])
    # A program of an earlier version would take the lock of the application for it.
    assert asked[0].startswith("test -e /usr/local/lib/chom/releases/preview.py && ")
    assert shlex.split(asked[0])[-1] == '{"branch": "a\'b $(id)"}'

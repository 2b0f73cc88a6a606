"""What is kept of a host's questions: names of facts and arguments, signed, and no command."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Host
from pyinfra.facts import server
from pyinfra.facts.files import File

from facts.conditions import Choice, Condition
from facts.existing import Existing
from facts.files import FileState
from facts.reports import Report
from facts.services import ServiceState
from facts.versions import Versions
from state import breath
from state.batch import Answer
from state.breaths import Breaths
from state.questions import Question
from state.remembered import (
    MAX_FILE_BYTES,
    Asked,
    Remembered,
    asked_of,
    fact_of,
    load,
    save,
)
from tests.unit.helpers import KEY, fake_state

COMMAND = "touch /root/PWNED"
STATE = Asked(fact="facts.files.FileState", arguments='{"path": "/etc/hosts"}')
REMEMBERED = Remembered(before=[STATE], during=[STATE], operations=["a" * 40])


def test_a_file_is_read_as_it_was_written_and_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "questions" / "web.json"
    save(path, REMEMBERED, KEY)
    assert load(path, KEY) == REMEMBERED
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_ino
    save(path, REMEMBERED, KEY)
    assert path.stat().st_ino == before
    save(path, REMEMBERED, None)
    assert not path.exists()
    save(path, REMEMBERED, None)


def test_a_file_that_was_changed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "web.json"
    save(path, REMEMBERED, KEY)
    whole = path.read_bytes()
    for end in range(len(whole.rstrip())):
        path.write_bytes(whole[:end])
        assert load(path, KEY) == Remembered()
    path.write_bytes(whole.replace(b"/etc/hosts", b"/etc/other"))
    assert load(path, KEY) == Remembered()
    path.write_bytes(whole)
    assert load(path, None) == Remembered()


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 1, "during": [{"text": "touch /root/PWNED"}]}\n',
        '{"version": 2, "during": [{"text": "touch /root/PWNED"}]}\n',
        '{"version": 2, "operations": ["touch /root/PWNED"]}\n',
        "[]\n",
        "null\n",
    ],
)
def test_what_no_run_writes_holds_nothing_even_if_it_is_signed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "web.json"
    path.write_text(KEY.sign(text, "questions") if text.startswith("{") else text)
    assert load(path, KEY) == Remembered()
    path.write_text("{}" + " " * MAX_FILE_BYTES)
    assert load(path, KEY) == load(tmp_path, KEY) == Remembered()


def test_no_command_is_kept() -> None:
    given: list[tuple[Any, dict[str, Any]]] = [
        (Condition, {"shell": COMMAND}),
        (Choice, {"shell": COMMAND}),
        (Report, {"shell": COMMAND}),
        (Versions, {"commands": {"a": COMMAND}}),
        (ServiceState, {"unit": "a.service", "runs": [], "reads": [], "ready": COMMAND}),
        (server.Command, {"command": COMMAND}),
        (FileState, {"path": "/etc/hosts", "_sudo_user": "bob"}),
        (FileState, {"path": Path("/etc/hosts")}),
    ]
    assert [asked_of(fact, arguments) for fact, arguments in given] == [None] * len(given)
    quiet: dict[str, Any] = {"unit": "a.service", "runs": [], "reads": [], "ready": None}
    assert asked_of(ServiceState, quiet) and asked_of(FileState, {"path": "/etc/hosts"}) == STATE


def test_only_facts_that_exist_are_asked() -> None:
    assert fact_of("facts.files.FileState") is FileState
    assert fact_of("pyinfra.facts.files.File") is File
    assert fact_of("pyinfra.facts.server.Command") is None
    assert fact_of("os.system") is fact_of("facts.nowhere.Nothing") is None


class World:
    """A host that is asked what a file says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host: Host = fake_state(["web"]).inventory.get_host("@fake/web")
        self.asked: list[str] = []
        monkeypatch.setattr(breath, "has_connection", lambda host: True)
        monkeypatch.setattr(breath.Breath.__init__, "__defaults__", (self._ask, lambda: 0.0))
        connector: Any = self.host.connector
        monkeypatch.setattr(connector, "run_shell_command", self._refuse)
        self.breaths = Breaths(folder, str, {}, KEY)
        self.path = folder / "@fake" / "web.json"

    def _ask(self, host: Host, batches: list[list[Question]]) -> Iterator[dict[Question, Answer]]:
        for batch in batches:
            self.asked += [each.text for each in batch]
            yield {}

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a command was run")

    def begin(self) -> list[str]:
        self.breaths.attach(self.host)
        self.breaths.begin(self.host)
        self.breaths.draw(self.host)
        return self.asked


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def written(*asked: Asked) -> str:
    """A file with these facts, signed as a run signs it."""
    return KEY.sign(
        Remembered(during=list(asked)).model_dump_json(exclude_none=True) + "\n", "questions"
    )


def test_the_next_run_makes_the_commands_itself(world: World) -> None:
    save(world.path, REMEMBERED, KEY)
    asked = world.begin()
    text = FileState().command("/etc/hosts").get_raw_value()
    assert asked.count(text) == 2
    assert world.host.connected is fake_state(["db"]).inventory.get_host("@fake/db").connected


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"during": [{"text": COMMAND}]}),
        json.dumps({"version": 2, "during": [{"fact": "facts.conditions.Condition",
                    "arguments": json.dumps({"shell": COMMAND})}]}),
        written(Asked(fact="facts.conditions.Condition", arguments=json.dumps({"shell": COMMAND}))),
        written(Asked(fact="pyinfra.facts.server.Command",
                      arguments=json.dumps({"command": COMMAND}))),
        written(Asked(fact="facts.files.FileState",
                      arguments=json.dumps({"path": "/", "_env": {"A": COMMAND}}))),
        written(Asked(fact="facts.files.FileState", arguments="{")),
    ],
    ids=["of before", "unsigned", "condition", "pyinfra's", "environment", "broken"],
)  # fmt: skip
def test_a_command_that_was_written_into_the_file_is_not_run(world: World, text: str) -> None:
    world.path.parent.mkdir()
    world.path.write_text(text)
    assert not [each for each in world.begin() if "PWNED" in each]


def test_names_from_the_file_are_words_of_the_command(world: World) -> None:
    name = "x$(touch /root/PWNED)"
    arguments = json.dumps({"resources": [["packages", name]]})
    save(
        world.path,
        Remembered(during=[Asked(fact="facts.existing.Existing", arguments=arguments)]),
        KEY,
    )
    [text] = [each for each in world.begin() if "PWNED" in each]
    assert f"set -- '{name}'" in text
    assert text == Existing().command([("packages", name)]).get_raw_value()

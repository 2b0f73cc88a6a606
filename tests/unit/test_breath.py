"""Facts from memory: as long as nothing can have changed the host, and not a moment longer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from pyinfra.api import FactBase, Host, ShortFactBase, StringCommand, output
from pyinfra.connectors.util import CommandOutput, OutputLine

from facts.answers import Answer as WebAnswer
from facts.conditions import ComplaintNow, Condition, ConditionNow
from facts.files import FileState
from facts.keys import OfferedKey
from facts.offers import FreshOffers, Offers
from facts.turns import last_turn
from state import breath
from state.batch import Answer
from state.breath import FRESH_S, Breath
from state.breaths import Breaths
from state.connection import run_command
from state.lanes import Lane
from state.links import Links
from state.questions import Question, Questions
from state.remembered import load
from state.remote_shell import KNOWN
from tests.unit.helpers import KEY, fake_state
from tests.unit.test_run import FakeRun

SECRET = "only I know"


class Word(FactBase[str]):
    """What a host says of itself."""

    def command(self, word: str) -> str:
        return f"say {word}"


class Mine(Word):
    """The same, never from memory."""

    asked_alone = True


class Shout(ShortFactBase[str]):
    fact = Word

    def process_data(self, data: str) -> str:
        return data.upper()


class World:
    """A host, what it is asked alone, and what it answers to many questions at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *remembered: str) -> None:
        self.now = 1000.0
        self.state = fake_state(["web", "db"])
        self.host: Host = self.state.inventory.get_host("@fake/web")
        self.ran: list[str] = []
        self.told: list[int] = []
        self.drawn: list[list[str]] = []
        self.slow_s = 0.0
        connector: Any = self.host.connector
        monkeypatch.setattr(connector, "run_shell_command", self._run)
        monkeypatch.setattr(breath, "has_connection", lambda host: True)
        during = [Question(text=f"say {word}") for word in remembered]
        self.breath = Breath(
            self.host,
            Questions(before=[Question(text="hostname")], during=during),
            lambda text: text.replace(SECRET, "[secret]"),
            lambda: self.told.append(len(self.ran)),
            self._ask,
            lambda: self.now,
        )

    def _run(self, command: Any, *_: Any, **__: Any) -> tuple[bool, CommandOutput]:
        self.ran.append(str(command))
        return True, CommandOutput([OutputLine("stdout", "asked alone")])

    def _ask(self, host: Host, batches: list[list[Question]]) -> Iterator[dict[Question, Answer]]:
        for number, batch in enumerate(batches):
            gevent.sleep(self.slow_s if number or len(batches) == 1 else 0)
            self.drawn.append([each.text for each in batch if each.text != last_turn()])
            yield {each: Answer([OutputLine("stdout", "from memory")]) for each in batch}

    def says(self, word: str, fact: Any = Word) -> str:
        return str(self.host.get_fact(fact, word=word))

    def change(self) -> None:
        self.host.run_shell_command(StringCommand("change"))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(monkeypatch, "one", "two")
    made.state.is_executing = True
    return made


def test_what_is_remembered_is_answered_from_memory(world: World) -> None:
    world.breath.draw()
    assert world.drawn == [["say one", "say two"]]
    assert world.says("one") == world.says("two") == world.says("one") == "from memory"
    assert world.ran == []
    assert world.says("three") == "asked alone"
    assert world.says("one", Shout) == "FROM MEMORY"
    assert world.ran == ["say three"]


def test_the_first_command_that_is_no_facts_empties_the_memory_before_it_runs(
    world: World,
) -> None:
    world.breath.draw()
    assert world.says("one") == "from memory"
    world.change()
    assert world.says("one") == world.says("two") == "asked alone"
    assert world.ran == ["change", "say one", "say two"]


@pytest.mark.parametrize("call", ["connect", "disconnect", "put_file", "get_file", "rsync"])
def test_so_does_all_that_can_go_over_a_connection(
    world: World, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    seen: list[Any] = []
    connector: Any = world.host.connector
    monkeypatch.setattr(connector, call, lambda *_: seen.append(dict(inner._answers)))
    inner: Breath = Breath(world.host, world.breath.remembered, str, lambda: None, world._ask)
    inner.draw()
    assert inner._answers
    getattr(world.host.connector, call)()
    assert seen == [{}]


def test_a_command_of_ours_outside_of_any_operation_empties_it(world: World) -> None:
    world.breath.draw()
    run_command(world.host, "touch it", "", 5)
    assert world.says("one") == "asked alone"


def test_a_new_connection_empties_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.breath.draw()
    lost = iter([True])
    links = Links(world.state, lambda host: None, {})
    monkeypatch.setattr(links, "is_lost", lambda host: next(lost, False))
    assert links.mend(world.host) is None
    assert world.says("one") == "asked alone"


def test_what_changes_while_the_answers_are_on_their_way_empties_them(world: World) -> None:
    world.slow_s = 0.05
    drawing = gevent.spawn(world.breath.draw)
    gevent.sleep(0.01)
    world.change()
    drawing.join()
    assert world.says("one") == "asked alone"


def test_an_old_answer_is_none(world: World) -> None:
    world.breath.draw()
    world.now += FRESH_S
    assert world.says("one") == "from memory"
    world.now += 0.1
    assert world.says("one") == "asked alone"


def test_another_host_is_not_concerned(world: World) -> None:
    world.breath.draw()
    other: Host = world.state.inventory.get_host("@fake/db")
    other.run_shell_command(StringCommand("change"))
    assert world.says("one") == "from memory"


def test_a_command_is_a_facts_only_in_the_greenlet_that_asks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Word):
        def process(self, output: list[str]) -> str:
            gevent.sleep(0.05)
            return "".join(output)

    world.breath.draw()
    asking = gevent.spawn(world.says, "two", Slow)
    gevent.sleep(0.01)
    world.change()
    asking.join()
    assert world.ran == ["change"]
    assert world.says("one") == "asked alone"


def test_what_a_fact_needs_to_be_asked_is_no_question(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyinfra may place a file on the host to become another user."""
    plain = world.breath._run_shell_command

    def run(command: Any, **arguments: Any) -> Any:
        if str(command) == "say three":
            world.host.run_shell_command(StringCommand("place a file"))
        return plain(command, **arguments)

    monkeypatch.setattr(world.breath, "_run_shell_command", run)
    world.breath.draw()
    assert world.says("three") == "asked alone"
    assert world.ran == ["place a file", "say three"]
    assert world.says("one") == "asked alone"
    asked = world.breath.questions(completed=True).during
    assert [each.text for each in asked] == ["say three", "say one"]


def test_what_is_to_be_asked_alone_is_neither_answered_nor_remembered(world: World) -> None:
    world.breath.draw()
    assert world.says("one", Mine) == "asked alone"
    assert world.breath.questions(completed=True).during == []
    assert world.says("one") == "from memory"


@pytest.mark.parametrize(
    "fact", [ConditionNow, ComplaintNow, WebAnswer, OfferedKey, Offers, FreshOffers]
)
def test_facts_that_wait_or_ask_others_are_asked_alone(fact: Any) -> None:
    assert breath._is_asked_alone(fact)
    assert not breath._is_asked_alone(Condition)
    assert not breath._is_asked_alone(FileState)


def test_the_way_in_which_it_is_asked_is_part_of_a_question(world: World) -> None:
    world.breath.draw()
    assert world.host.get_fact(Word, word="one", _sudo=True) == "asked alone"
    assert world.host.get_fact(Word, word="one", _env={"A": "b"}) == "asked alone"
    assert world.host.get_fact(Word, word="one", _shell_executable="bash") == "asked alone"
    assert world.host.get_fact(Word, word="one", _chdir="/") == "asked alone"
    assert world.host.get_fact(Word, word="one") == "from memory"


def test_a_question_that_holds_a_secret_is_not_remembered(world: World) -> None:
    assert world.says(SECRET) == "asked alone"
    assert world.says("other") == "asked alone"
    asked = world.breath.questions(completed=False)
    assert SECRET not in asked.model_dump_json()
    assert "say other" in asked.model_dump_json()


def test_the_next_run_asks_what_this_one_asked(world: World) -> None:
    world.breath.draw()
    world.says("two")
    world.says("three")
    asked = world.breath.questions(completed=True)
    assert [each.text for each in asked.during] == ["say two", "say three"]
    asked = world.breath.questions(completed=False)
    assert [each.text for each in asked.during] == ["say two", "say three", "say one"]
    assert [each.text for each in asked.before] == ["hostname"]


def test_a_plan_asks_for_all_that_operations_ask(world: World) -> None:
    world.state.is_executing = False
    world.state.check_for_changes = True
    world.breath.begin()
    world.breath.draw()
    assert world.drawn == [["hostname", "say one", "say two"]]
    world.says("three")
    assert [each.text for each in world.breath.questions(True).before] == ["say three"]


@pytest.fixture
def asked(world: World) -> World:
    """A host whose target is being declared: what operations will ask is on its way."""
    world.state.is_executing = False
    world.state.check_for_changes = False
    world.slow_s = 0.05
    world.breath.begin()
    world.breath.draw()
    assert world.drawn == [["hostname"]]
    world.state.is_executing = True
    return world


def test_who_declares_does_not_wait_for_what_operations_ask(asked: World) -> None:
    asked.breath.keep("from memory")
    asked.breath.draw()
    assert asked.drawn == [["hostname"], ["say one", "say two"]]
    assert asked.says("one") == "from memory"


@pytest.mark.parametrize("turn", ["another's", None])
def test_it_is_asked_again_where_somebody_else_may_have_changed_the_host(
    asked: World, turn: str | None
) -> None:
    asked.breath.keep(turn)
    asked.breath.draw()
    assert asked.drawn[1:] == [["say one", "say two"]] * (len(asked.drawn) - 1)
    assert asked.says("one") == "from memory"
    assert asked.breath._coming is not None


def test_or_a_command_of_ours_did(asked: World) -> None:
    asked.breath.keep("from memory")
    asked.change()
    gevent.sleep(0.1)
    assert asked.says("one") == "asked alone"
    asked.breath.draw()
    assert asked.drawn[-1] == ["say one", "say two"]
    assert asked.says("one") == "from memory"


def test_answers_are_as_old_as_the_first_question(asked: World) -> None:
    asked.breath.keep("from memory")
    asked.breath.draw()
    asked.now += FRESH_S + 0.1
    assert asked.says("one") == "asked alone"


def test_who_had_to_wait_for_long_is_asked_again(asked: World) -> None:
    asked.breath.keep("from memory")
    asked.now += FRESH_S / 2 + 0.1
    asked.breath.draw()
    assert asked.drawn[-1] == ["say one", "say two"]
    asked.now += FRESH_S
    assert asked.says("one") == "from memory"


def test_nobody_waits_for_a_host_that_does_not_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(host: Host, batches: list[list[Question]]) -> Iterator[dict[Question, Answer]]:
        return iter([{} for _ in batches])

    monkeypatch.setattr(world.breath, "_ask", nothing)
    world.state.is_executing = world.state.check_for_changes = False
    world.breath.begin()
    world.breath.draw()
    world.state.is_executing = True
    # It did not say whose turn it was either.
    world.breath.keep("none")
    world.breath.draw()
    assert world.says("one") == "asked alone"


def test_who_wants_to_see_what_is_asked_sees_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(output, "_echo", lambda message, err: shown.append(message))
    world.state.print_fact_input = world.state.print_fact_output = True
    world.breath.draw()
    world.says("one")
    command = f">>> sh -c '{KNOWN} say one'"
    assert [each.split("] ")[1] for each in shown] == [command, "from memory"]


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    host: Host = fake_state(["web"]).inventory.get_host("@fake/web")
    plain = host.get_fact
    breaths = Breaths(tmp_path, str, {"CHOM_FACTS": "alone"})
    breaths.attach(host)
    breaths.lane_started(Lane(host, "web", []))
    breaths.remember([])
    assert host.get_fact == plain
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_remembered_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "questions").touch()
    host: Host = fake_state(["web"]).inventory.get_host("@fake/web")
    breaths = Breaths(tmp_path / "questions", str, {})
    breaths.attach(host)
    host.get_fact(Word, word="one")
    breaths.remember([host.name])


@pytest.fixture
def fake(tmp_path: Path) -> FakeRun:
    return FakeRun(tmp_path)


def test_a_run_remembers_and_a_dry_run_of_a_bare_project_does_not(fake: FakeRun) -> None:
    assert fake("--dry").returncode == 0
    assert not (fake.folder / ".deploy-state").exists()
    assert fake("-y").returncode == 0
    folder = fake.folder / ".deploy-state" / "questions" / "@fake"
    assert {each.name for each in folder.iterdir()} == {"observability.json", "vpsmanager.json"}
    asked = load(folder / "vpsmanager.json", KEY).during
    assert len(asked) == 1  # what stood before; the versions are asked by a command
    (folder / "vpsmanager.json").write_text("{")
    assert fake("--dry").returncode == 0
    assert fake("-y").returncode == 0
    # What stood before is known by now.
    assert load(folder / "vpsmanager.json", KEY).during == asked[1:]


def test_what_may_change_the_host_is_told_before_it_is_run(world: World) -> None:
    world.host.get_fact(Word, word="hello")
    assert world.told == [] and len(world.ran) == 1
    world.host.run_shell_command(StringCommand("change something"))
    assert world.told == [1] and len(world.ran) == 2

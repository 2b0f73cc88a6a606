"""A host's facts in one breath: what its last run asked is asked at once, and kept for a while.

Operations and facts do not know. What a fact asks is answered from memory until the first command
that is not a fact's, as that may change the host; then facts are asked one by one, as always.

All are asked as soon as there is a connection, and answered while the run loads what it declares,
and declares it. The lock on a target goes another way, past here; it tells whether somebody else
has had his turn since, and if so, what operations ask is asked anew.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any

import gevent
from gevent.event import Event
from gevent.local import local
from pyinfra import logger
from pyinfra.api import FactBase, Host, ShortFactBase, StringCommand
from pyinfra.api.output import echo, format_text
from pyinfra.connectors.util import (
    CommandOutput,
    OutputLine,
    extract_control_arguments,
)

from facts.turns import last_turn
from state.batch import Answer, ask_in_turn
from state.connection import has_connection, usual_arguments
from state.questions import Question, Questions, question_of, united
from state.remembered import MAX_FACTS, Asked, Remembered, asked_of, fact_of, takes_command
from state.remote_shell import known_command

# For how long an answer is as good as a new one, counted from when it was asked.
FRESH_S = 30

_TURN = Question(text=last_turn())

Ask = Callable[[Host, list[list[Question]]], Iterator[dict[Question, Answer]]]


class Breath:
    """Stands between one host's facts and its connector.

    ``remembered``: what its last run asked. ``scrub``: takes secrets out of a text; a question
    that holds one is not remembered. ``before_change``: called before each command of an operation.
    """

    def __init__(
        self,
        host: Host,
        remembered: Questions,
        scrub: Callable[[str], str],
        before_change: Callable[[], None],
        ask: Ask = ask_in_turn,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = host
        self.remembered = remembered
        self._scrub = scrub
        self._before_change = before_change
        self._ask = ask
        self._clock = clock
        self._answers: dict[Question, Answer] = {}
        self._asked_at = 0.0
        self._changes = 0
        self._coming: gevent.Greenlet | None = None
        # Set while the first batch of answers is not awaited.
        self._first = Event()
        self._first.set()
        self._turn: str | None = None
        self._kept = False
        self._before: dict[Question, None] = {}
        self._during: dict[Question, None] = {}
        # What is asked in this greenlet; another one of the same host may change it meanwhile.
        self._asking = local()
        # What to keep of a question; those of facts that take commands have operations instead.
        self.origins: dict[Question, Asked] = {}
        self.operations: dict[str, None] = {}
        self._last_operations: dict[str, None] = {}
        self._later: gevent.Greenlet | None = None
        self._get_fact = host.get_fact
        self._run_shell_command = host.connector.run_shell_command
        self._install()

    def _install(self) -> None:
        connector = self.host.connector
        setattr(self.host, "get_fact", self.get_fact)  # noqa: B010
        setattr(connector, "run_shell_command", self.run_shell_command)  # noqa: B010
        for name in ("connect", "disconnect", "put_file", "get_file", "rsync"):
            if plain := getattr(connector, name, None):
                setattr(connector, name, self._forgetting(plain))

    def _forgetting(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self.forget()
            return plain(*args, **kwargs)

        return run

    @cached_property
    def _usual(self) -> dict[str, Any]:
        return usual_arguments(self.host)

    def begin(self) -> None:
        """Ask at once what is going to be asked; waits for nothing.

        Where changes are shown before anything is done, all of that is asked before.
        """
        before, during = self.remembered.before, self.remembered.during
        if self.host.state.should_check_for_changes():
            self._spawn([united(before, during)])
        else:
            self._spawn([[_TURN, *before], during] if before or during else [])

    def draw(self) -> None:
        """Have the answers to what is going to be asked now."""
        if not self.host.state.is_executing:
            self._first.wait()
            return
        # With many targets, it may take its time until this one has its turn.
        is_old = self._clock() - self._asked_at > FRESH_S / 2
        if not self._kept or self._coming is None or is_old:
            self.forget()
            self._spawn([self.remembered.during])
        for coming in (self._coming, self._later):
            if coming is not None:
                coming.get()

    def keep(self, turn: str | None) -> None:
        """Let what was asked serve the operations, if nobody has had his turn on the host since.

        ``turn``: the mark of the last one before ours, as the lock has it.
        """
        self._kept = turn is not None and turn == self._turn

    def _spawn(self, batches: list[list[Question]]) -> None:
        if any(batches) and has_connection(self.host):
            self._first.clear()
            self._asked_at = self._clock()
            self._coming = gevent.spawn(self._fetch, batches)
            # What is asked is on its way before anything else is done.
            gevent.sleep(0)

    def _fetch(self, batches: list[list[Question]]) -> None:
        changes = self._changes
        try:
            for batch, found in zip(batches, self._ask(self.host, batches), strict=True):
                seconds = self._clock() - self._asked_at
                logger.debug(
                    "%s answered %d of %d in %.2f s", self.host, len(found), len(batch), seconds
                )
                if changes == self._changes:
                    self._answers |= found
                    if turn := found.get(_TURN):
                        self._turn = "".join(line.line for line in turn.lines)
                self._first.set()
        finally:
            self._first.set()

    def forget(self) -> None:
        """Take no answer from memory any more, nor those that are on their way."""
        self._answers = {}
        self._coming = self._later = None
        self._changes += 1

    def questions(self, completed: bool) -> Questions:
        """What the next run should ask; of one that was not ``completed``, the last one's, too."""
        last = self.remembered
        before = self._before if completed else united(self._before, last.before)
        during = self._during if completed else united(self._during, last.during)
        return Questions(before=united(before, ()), during=united(during, ()))

    def get_fact(self, fact: type[FactBase[Any]], *args: Any, **kwargs: Any) -> Any:
        """In the place of the host's own: whatever it runs first is a question."""
        nothing: Any = ((), {})
        outer = getattr(self._asking, "fact", None), getattr(self._asking, "given", nothing)
        self._asking.fact, self._asking.given = fact, (args, kwargs)
        try:
            return self._get_fact(fact, *args, **kwargs)
        finally:
            self._asking.fact, self._asking.given = outer

    def remind(self, remembered: Remembered) -> None:
        """Have what the last run asked; its commands are made here and now."""
        self._last_operations = dict.fromkeys(remembered.operations)
        before, during = (self._questions_of(its) for its in (remembered.before, remembered.during))
        self.remembered = Questions(before=united(before, ()), during=united(during, ()))

    def _questions_of(self, asked: Iterable[Asked]) -> Iterator[Question]:
        for each in asked:
            fact = fact_of(each.fact)
            try:
                given = each.given()
            except ValueError:
                continue
            if fact is None or takes_command(fact, given) or _is_asked_alone(fact):
                continue
            for question in self._foreseen(partial(self.get_fact, fact, **given)):
                self.origins[question] = each
                yield question

    def ask_later(
        self,
        hashes: Iterable[str],
        asked: Iterable[tuple[type[FactBase[Any]], Mapping[str, Any]]],
    ) -> None:
        """Ask at once what declared operations, and who reports of them, ask by commands.

        + hashes: of the operations; only those that did so in the last run are looked at
        + asked: facts with their arguments
        """
        found: dict[Question, None] = {}
        for fact, arguments in asked:
            found |= dict.fromkeys(self._foreseen(partial(self.get_fact, fact, **arguments)))
        for each in hashes:
            if each in self._last_operations:
                data = self.host.state.get_op_data_for_host(self.host, each)
                found |= dict.fromkeys(self._foreseen(partial(_begin, data)))
        questions = [each for each in found if each not in self.remembered.during]
        if questions and has_connection(self.host):
            self._later = gevent.spawn(self._fetch, [questions])
            gevent.sleep(0)

    def _foreseen(self, begin: Callable[[], Any]) -> list[Question]:
        """Return what would be asked first; what is known already is answered."""
        found: list[Question] = []
        outer = getattr(self._asking, "foreseen", None)
        self._asking.foreseen = found
        # pyinfra notes that there is a connection only after it has told us so.
        was_connected, self.host.connected = self.host.connected, True
        try:
            begin()
        except _Foreseen:
            pass
        except Exception as error:
            # What goes wrong here goes wrong again where it matters.
            logger.debug("%s: a question was not foreseen: %s", self.host.name, error)
        finally:
            self._asking.foreseen = outer
            self.host.connected = was_connected
        return found

    def run_shell_command(
        self,
        command: StringCommand,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        """In the place of the connector's own."""
        fact, self._asking.fact = getattr(self._asking, "fact", None), None
        foreseen = getattr(self._asking, "foreseen", None)
        if foreseen is not None:
            asked = question_of(command, arguments, self._usual)
            if fact and asked and not _is_asked_alone(fact):
                if answer := self._answers.get(asked):
                    return True, CommandOutput(list(answer.lines))
                foreseen.append(asked)
            raise _Foreseen
        if fact is None:
            self._before_change()
            self.forget()
        elif not _is_asked_alone(fact) and (
            question := question_of(command, arguments, self._usual)
        ):
            self._remember(question, fact)
            if answer := self._answer(question):
                self._print(command, answer, print_output, print_input, arguments)
                return True, CommandOutput(list(answer.lines))
        return self._run_shell_command(
            command, print_output=print_output, print_input=print_input, **arguments
        )

    def _answer(self, question: Question) -> Answer | None:
        if self._answers and self._clock() - self._asked_at > FRESH_S:
            self.forget()
        return self._answers.get(question)

    def _remember(self, question: Question, fact: type[FactBase[Any]]) -> None:
        said = [question.text, *(value for _, value in question.become if isinstance(value, str))]
        if any(self._scrub(each) != each for each in said):
            return
        during = self.host.state.is_executing or self.host.in_op
        (self._during if during else self._before)[question] = None
        args, kwargs = self._asking.given
        if args or question.become or issubclass(fact, ShortFactBase):
            return
        if takes_command(fact, kwargs):
            if self.host.current_op_hash:
                self.operations[self.host.current_op_hash] = None
        elif asked := asked_of(fact, kwargs):
            self.origins.setdefault(question, asked)

    def to_remember(self, completed: bool) -> Remembered:
        """Return what to keep for the next run: as `questions`, without any command."""
        asked = self.questions(completed)
        operations = self.operations if completed else self._last_operations | self.operations
        return Remembered(
            before=[self.origins[each] for each in asked.before if each in self.origins],
            during=[self.origins[each] for each in asked.during if each in self.origins],
            operations=sorted(operations)[:MAX_FACTS],
        )

    def _print(
        self,
        command: StringCommand,
        answer: Answer,
        print_output: bool,
        print_input: bool,
        arguments: dict[str, Any],
    ) -> None:
        """Show what pyinfra shows of a command that it runs, where that is wanted."""
        prefix = self.host.print_prefix
        if print_input:
            extract_control_arguments(arguments)  # type: ignore[arg-type]
            whole = known_command(self.host, command, **arguments)
            echo(f"{prefix}>>> {whole}", err=True)
        for line in answer.lines if print_output else ():
            echo(f"{prefix}{_coloured(line)}", err=True)


class _Foreseen(Exception):
    """A question was noted that has no answer yet."""


def _begin(data: Any) -> None:
    """Run an operation up to its first command, which is not run."""
    commands = data.command_generator()
    try:
        next(commands, None)
    finally:
        commands.close()


def _coloured(line: OutputLine) -> str:
    return line.line if line.buffer_name == "stdout" else str(format_text(line.line, "red"))


def _is_asked_alone(fact: type[Any]) -> bool:
    """Whether a fact, or the one behind a short fact, says so of itself."""
    return bool(getattr(getattr(fact, "fact", fact), "asked_alone", False))

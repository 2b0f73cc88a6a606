"""Questions about paths and services, which a batch asks in one command for all of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyinfra.connectors.util import OutputLine

from facts.services_together import Services
from facts.together import KINDS as PATHS
from state.questions import Question


class Kind(Protocol):
    """One fact's questions. ``at_once``: about how many subjects it is asked by one command."""

    @property
    def at_once(self) -> int: ...
    def subjects(self, text: str) -> tuple[str, ...]: ...
    def together(self, subjects: Sequence[str]) -> str: ...
    def apart(self, subjects: Sequence[str], lines: Sequence[str]) -> Mapping[str, list[str]]: ...
    def answer(self, text: str, told: Mapping[str, list[str]]) -> list[str]: ...


KINDS: Sequence[Kind] = (*PATHS, Services())


@dataclass(frozen=True)
class Combined:
    """Questions of one kind, and all that they are about."""

    kind: Kind
    questions: Sequence[Question]
    subjects: Sequence[str]

    @property
    def question(self) -> Question:
        """The one that is asked in their place."""
        return Question(text=self.kind.together(self.subjects))

    def apart(self, lines: Sequence[OutputLine]) -> dict[Question, list[OutputLine]]:
        """The answer to each; none at all where the one to all is not what was asked for."""
        if any(line.buffer_name != "stdout" for line in lines):
            return {}
        try:
            told = self.kind.apart(self.subjects, [line.line for line in lines])
        except ValueError:
            return {}
        return {
            each: [OutputLine("stdout", line) for line in self.kind.answer(each.text, told)]
            for each in self.questions
        }


def combined(questions: Sequence[Question]) -> dict[Question, Combined | None]:
    """What to ask for ``questions``, which become the same user: each to those it stands for.

    Those that stand for many come first: they take the longest.
    """
    together = [each for kind in KINDS for each in _of_kind(kind, questions)]
    spoken_for = {question for each in together for question in each.questions}
    alone = dict.fromkeys(each for each in questions if each not in spoken_for)
    return {each.question: each for each in reversed(together)} | alone


def _of_kind(kind: Kind, questions: Sequence[Question]) -> Iterator[Combined]:
    """The questions of one kind, not about too much at a time."""
    few: list[Question] = []
    subjects: dict[str, None] = {}
    for each in questions:
        its = kind.subjects(each.text) if each.shell == "sh" else ()
        if few and len(subjects.keys() | {*its}) > kind.at_once:
            yield Combined(kind, few, list(subjects))
            few, subjects = [], {}
        if its:
            few.append(each)
            subjects |= dict.fromkeys(its)
    if few:
        yield Combined(kind, few, list(subjects))

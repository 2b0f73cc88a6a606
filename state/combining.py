"""Questions about paths, which a batch asks in one command for all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyinfra.connectors.util import OutputLine

from facts.together import KINDS, Kind
from state.questions import Question

# With the longest of paths, a command is still shorter than a question may be.
AT_ONCE = 100


@dataclass(frozen=True)
class Combined:
    """Questions of one kind, and all paths that they are about."""

    kind: Kind
    questions: Sequence[Question]
    paths: Sequence[str]

    @property
    def question(self) -> Question:
        """The one that is asked in their place."""
        return Question(text=self.kind.together(self.paths))

    def apart(self, lines: Sequence[OutputLine]) -> dict[Question, list[OutputLine]]:
        """The answer to each; none at all where the one to all is not what was asked for."""
        if any(line.buffer_name != "stdout" for line in lines):
            return {}
        try:
            told = self.kind.apart(self.paths, [line.line for line in lines])
        except ValueError:
            return {}
        return {
            each: [OutputLine("stdout", line) for line in self.kind.answer(each.text, told)]
            for each in self.questions
        }


def combined(questions: Sequence[Question]) -> dict[Question, Combined | None]:
    """What to ask for ``questions``, which become the same user: each to those it stands for."""
    asked: dict[Question, Combined | None] = dict.fromkeys(questions)
    for kind in KINDS:
        for together in _of_kind(kind, questions):
            for each in together.questions:
                del asked[each]
            asked[together.question] = together
    return asked


def _of_kind(kind: Kind, questions: Sequence[Question]) -> Iterator[Combined]:
    """The questions of one kind, not too many paths at a time."""
    few: list[Question] = []
    paths: dict[str, None] = {}
    for each in questions:
        its = kind.paths(each.text) if each.shell == "sh" else ()
        if few and len(paths.keys() | {*its}) > AT_ONCE:
            yield Combined(kind, few, list(paths))
            few, paths = [], {}
        if its:
            few.append(each)
            paths |= dict.fromkeys(its)
    if few:
        yield Combined(kind, few, list(paths))

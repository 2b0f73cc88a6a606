"""Questions about single paths, which a batch asks in one command for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyinfra.connectors.util import OutputLine

from facts.together import KINDS, Kind
from state.questions import Question

# With the longest of paths, a command is still shorter than a question may be.
AT_ONCE = 100


@dataclass(frozen=True)
class Combined:
    """Questions of one kind, with the path that each is about."""

    kind: Kind
    paths: Mapping[Question, str]

    @property
    def question(self) -> Question:
        """The one that is asked in their place."""
        return Question(text=self.kind.together(list(self.paths.values())))

    def apart(self, lines: Sequence[OutputLine]) -> dict[Question, list[OutputLine]]:
        """The answer to each; none at all where the one to all is not what was asked for."""
        if any(line.buffer_name != "stdout" for line in lines):
            return {}
        try:
            told = self.kind.apart(list(self.paths.values()), [line.line for line in lines])
        except ValueError:
            return {}
        return {
            question: [OutputLine("stdout", line) for line in told[path]]
            for question, path in self.paths.items()
        }


def combined(questions: Sequence[Question]) -> dict[Question, Combined | None]:
    """What to ask for ``questions``, which become the same user: each to those it stands for."""
    asked: dict[Question, Combined | None] = dict.fromkeys(questions)
    for kind in KINDS:
        pairs = [
            (each, path)
            for each in questions
            if each.shell == "sh" and (path := kind.path(each.text))
        ]
        for start in range(0, len(pairs), AT_ONCE):
            paths = dict(pairs[start : start + AT_ONCE])
            for each in paths:
                del asked[each]
            together = Combined(kind, paths)
            asked[together.question] = together
    return asked

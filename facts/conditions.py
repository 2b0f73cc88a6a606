"""Whether something holds on a host that only a command of the caller's can tell."""

from pyinfra.api import FactBase, StringCommand


class Condition(FactBase[bool]):
    """Whether a read-only shell command succeeds."""

    default = bool

    # A command: it is never kept, nor asked again from a file.
    command_arguments = ("shell",)

    def command(self, shell: str) -> StringCommand:
        return StringCommand(f"{{ {shell}; }} >/dev/null 2>&1 && echo yes; true")

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]


class ConditionNow(Condition):
    """The same at this very moment: of a command that waits, leaves a trace, or asks others."""

    asked_alone = True


class ComplaintNow(FactBase[list[str] | None]):
    """What a shell command says that fails at this very moment; None where it succeeds."""

    asked_alone = True

    # A command: it is never kept, nor asked again from a file.
    command_arguments = ("shell",)

    def command(self, shell: str) -> StringCommand:
        return StringCommand(f"{{ {shell}; }} 2>&1 || echo failed")

    def process(self, output: list[str]) -> list[str] | None:
        return output[:-1] if output[-1:] == ["failed"] else None


class Choice(FactBase[list[str]]):
    """What a read-only shell command prints: a line; if it fails, nothing, and its own words."""

    default = list

    # A command: it is never kept, nor asked again from a file.
    command_arguments = ("shell",)

    def command(self, shell: str) -> StringCommand:
        return StringCommand(f"{{ {shell}; }} 2>&1 || echo failed")

    def process(self, output: list[str]) -> list[str]:
        return ["", *output[:-1]] if output[-1:] == ["failed"] else output[:1]


class ChoiceNow(Choice):
    """Uncached variant of `Choice`: of a command that asks others, or that takes its time."""

    asked_alone = True

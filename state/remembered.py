"""What a host was asked, as it is kept for the next run: names of facts and their arguments.

No command is kept. The next run makes the commands from these with its own code; for a fact that
takes a command as an argument, only the operation is kept that asked it, and the next run takes
the command from its own operation. The file is signed, so that it holds what a run wrote.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pyinfra.api import FactBase
from pyinfra.facts import files as pyinfra_files

import facts
from state.signing import RecordKey, unsigned
from state.writing import write_atomically

# More than ten times of what both stacks ask.
MAX_FACTS = 2000
MAX_FILE_BYTES = 1_000_000
# The packages whose facts may be remembered. Of pyinfra's own, many run any command.
PACKAGES = ("facts",)
_PYINFRAS = (pyinfra_files.File, pyinfra_files.Directory, pyinfra_files.Link)


class Asked(BaseModel):
    """A fact by its name, ``module.Class``, and the arguments it was asked with, as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fact: str = Field(max_length=200)
    arguments: str = Field(default="{}", max_length=30_000)

    def given(self) -> dict[str, Any]:
        """Return the arguments. Raises ValueError for what no run has written."""
        found = json.loads(self.arguments)
        if not isinstance(found, dict) or any(name.startswith("_") for name in found):
            raise ValueError("no arguments of a fact")
        return found


class Remembered(BaseModel):
    """What one host was asked ``before`` its operations, and ``during`` them.

    ``operations``: the hashes of those that asked by commands of their own.
    """

    model_config = ConfigDict(extra="forbid")

    version: Literal[2] = 2
    before: list[Asked] = Field(default=[], max_length=MAX_FACTS)
    during: list[Asked] = Field(default=[], max_length=MAX_FACTS)
    operations: list[Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]] = Field(
        default=[], max_length=MAX_FACTS
    )
    signature: str | None = None


def takes_command(fact: type[FactBase[Any]], arguments: Mapping[str, Any]) -> bool:
    """Tell whether a fact was asked with a command among its arguments."""
    names = getattr(fact, "command_arguments", ())
    return any(arguments.get(name) for name in names)


def asked_of(fact: type[FactBase[Any]], arguments: Mapping[str, Any]) -> Asked | None:
    """Return what to keep of a fact that was asked; None for one that cannot be kept."""
    name = f"{fact.__module__}.{fact.__qualname__}"
    if fact_of(name) is not fact or takes_command(fact, arguments):
        return None
    try:
        asked = Asked(fact=name, arguments=json.dumps(dict(arguments)))
        asked.given()
    except (TypeError, ValueError):
        return None
    return asked


def fact_of(name: str) -> type[FactBase[Any]] | None:
    """Return the fact of this name, if it is one of ours or one of pyinfra's that we use.

    No name is imported: what is looked up is among the modules of our own package.
    """
    _import_ours()
    for fact in _facts(FactBase):
        if name == f"{fact.__module__}.{fact.__qualname__}":
            is_ours = fact.__module__.partition(".")[0] in PACKAGES
            return fact if is_ours or fact in _PYINFRAS else None
    return None


@cache
def _import_ours() -> None:
    """Import all our facts: some are imported only by files that are loaded later."""
    for module in iter_modules(facts.__path__):
        import_module(f"{facts.__name__}.{module.name}")


def _facts(base: type[FactBase[Any]]) -> Iterator[type[FactBase[Any]]]:
    for fact in base.__subclasses__():
        yield fact
        yield from _facts(fact)


def load(path: Path, key: RecordKey | None) -> Remembered:
    """Return what a file holds; nothing if it is missing, or is not what a run has written."""
    try:
        if key is None or path.stat().st_size > MAX_FILE_BYTES:
            return Remembered()
        content = path.read_bytes()
        if key.judge(content, "questions") != "signed":
            return Remembered()
        return Remembered.model_validate_json(unsigned(content))
    except (OSError, ValueError):
        return Remembered()


def save(path: Path, remembered: Remembered, key: RecordKey | None) -> None:
    """Write it for the next run, unless that would change nothing. Raises OSError.

    Without a key nothing is kept, and a file that is there goes.
    """
    if key is None:
        path.unlink(missing_ok=True)
        return
    text = remembered.model_dump_json(indent=2, exclude_none=True) + "\n"
    if remembered != load(path, key) and len(text.encode()) <= MAX_FILE_BYTES:
        write_atomically(path, key.sign(text, "questions"))

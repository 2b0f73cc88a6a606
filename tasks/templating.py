"""Templates: files beside their components, and the one way for a secret to get into a text."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from configs.secrets import Secret
from tasks.quoting import QUOTINGS

_FOLDER = Path(__file__).parent
_COMPILED = _FOLDER / "__pycache__" / f"templates.{sys.implementation.cache_tag}"


class _Compiled(BytecodeCache):
    """Keeps compiled templates where Python keeps compiled modules, and no worse than these.

    Jinja2 looks whether one belongs to the template as it is now.
    """

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError), (_COMPILED / bucket.key).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        # A checkout that may not be written to does without.
        with suppress(OSError):
            _COMPILED.mkdir(parents=True, exist_ok=True)
            temporary = _COMPILED / f".{bucket.key}.{os.getpid()}"
            with temporary.open("wb") as file:
                bucket.write_bytecode(file)
            temporary.replace(_COMPILED / bucket.key)


templates = Environment(
    loader=FileSystemLoader(_FOLDER),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
    bytecode_cache=_Compiled(),
)


def _filter(quote: Callable[[str], str]) -> Callable[[object], str]:
    """A filter of templates: also the only way for a secret to get out in one."""
    return lambda value: quote(value.reveal() if isinstance(value, Secret) else str(value))


templates.filters.update({name: _filter(quote) for name, quote in QUOTINGS.items()})

"""The secrets file as text; whatever a command does not change stays as it is, byte by byte."""

import base64
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from configs.problems import ConfigurationError, Problem, shown
from configs.secrets.cipher import MARK, SALT_BYTES
from configs.secrets.files import reason, refusal
from configs.secrets.secret import NAME, NAME_EXPECTED

INIT = "python -m configs secrets init"
SET = "python -m configs secrets set"
_INTRODUCTION = """\
# Encrypted: names are in clear, each value is sealed for its own name. Commit this file.
# Change it with `python -m configs secrets set NAME` or `edit`; the key is kept elsewhere.
"""
_KEY = re.compile(r"^# key: ([0-9a-f]{12})[^\S\n]*\n?", re.MULTILINE)
_PASSPHRASE = re.compile(r"^# passphrase: scrypt-17-8-1 ([A-Za-z0-9+/=]*)[^\S\n]*\n?", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One name with what is written for it; line: counted from 1."""

    name: str
    written: str
    line: int

    @property
    def sealed(self) -> bool:
        """Whether it looks like a token; whether it is one only the key can tell."""
        return self.written.startswith(MARK)


@dataclass(frozen=True)
class Sheet:
    """The file's path and its text."""

    path: Path
    text: str = ""

    @property
    def key_id(self) -> str:
        """The id of the key that the values are sealed with; empty without that line."""
        found = _KEY.search(self.text)
        return found[1] if found else ""

    @property
    def salt(self) -> bytes | None:
        """The salt of the passphrase; None if the key is not derived from one.

        Raises ConfigurationError if the salt is damaged.
        """
        if not (found := _PASSPHRASE.search(self.text)):
            return None
        try:
            salt = base64.b64decode(found[1], validate=True)
        except ValueError:
            salt = b""
        if len(salt) != SALT_BYTES:
            raise refusal(
                self.path,
                "the line `# passphrase:`",
                "a damaged salt",
                f"{SALT_BYTES} bytes in base64, as they were written: the key is made with them",
                "take the line from an earlier version of the file (git log -p)",
            )
        return salt

    def entries(self) -> list[Entry]:
        """All names in the file's order. Raises ConfigurationError if a line is none of ours."""
        bindings = [binding for binding in _bindings(self.text) if binding.key or binding.error]
        if problems := list(self._problems(bindings)):
            raise ConfigurationError(problems)
        return [
            Entry(str(binding.key), binding.value or "", _line(binding)) for binding in bindings
        ]

    def changed(self, changes: Mapping[str, str | None]) -> "Sheet":
        """With these tokens written (None: the line is taken out); all other lines byte by byte."""
        left = dict(changes)
        parts: list[str] = []
        for binding in _bindings(self.text):
            text = binding.original.string
            if binding.key in left:
                token = left.pop(binding.key)
                before = text[: len(text) - len(text.lstrip())]
                text = before if token is None else f"{before}{binding.key}={token}\n"
            parts.append(text)
        text = "".join(parts)
        if text and not text.endswith("\n"):
            text += "\n"
        added = [f"{name}={token}\n" for name, token in left.items() if token is not None]
        return replace(self, text=text + "".join(added))

    def keyed(self, key_id: str, salt: bytes | None) -> "Sheet":
        """With the header of another key."""
        header = f"# key: {key_id}\n"
        if salt is not None:
            header += f"# passphrase: scrypt-17-8-1 {base64.b64encode(salt).decode()}\n"
        body = _PASSPHRASE.sub("", self.text)
        if _KEY.search(body):
            return replace(self, text=_KEY.sub(header, body, count=1))
        return replace(self, text=_INTRODUCTION + header + body)

    def _problems(self, bindings: list[Binding]) -> Iterator[Problem]:
        seen: dict[str, int] = {}
        for binding in bindings:
            line, name = _line(binding), binding.key
            if binding.error or name is None:
                yield self._problem(
                    f"line {line}",
                    "a line that is neither a comment nor `NAME=value`",
                    "`NAME=` and the encrypted value",
                    "remove the line; after a merge, keep one side's lines as they are",
                )
            elif not NAME.fullmatch(name):
                yield self._problem(
                    f"line {line}",
                    "a name that no secret can have",  # it may be a value at the wrong place
                    NAME_EXPECTED,
                    f"remove the line, and store it with {SET} and a name of that form",
                )
            elif name in seen:
                yield self._problem(
                    name,
                    f"the same name on lines {seen[name]} and {line}",
                    "every name once",
                    "keep the line you mean and remove the other",
                )
            seen.setdefault(name or "", line)

    def _problem(self, key: str, found: str, expected: str, remedy: str) -> Problem:
        return Problem(shown(self.path), key, found, expected, remedy)


def read(path: Path) -> Sheet:
    """The file as it is. Raises ConfigurationError if there is none, or none that can be read."""
    try:
        return Sheet(path, path.read_bytes().decode())
    except FileNotFoundError:
        found, expected, do = "no such file", "the file of the encrypted secrets", INIT
    except UnicodeDecodeError:
        found, expected = "bytes that are not UTF-8", "text: names and encrypted values"
        do = "take the file from an earlier version (git log)"
    except OSError as error:
        found, expected = reason(error), "a file that you can read"
        do = "correct the path or its permissions"
    raise refusal(path, "", found, expected, do)


def _bindings(text: str) -> Iterator[Binding]:
    return parse_stream(io.StringIO(text, newline=""))


def _line(binding: Binding) -> int:
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")

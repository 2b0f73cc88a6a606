"""The secrets, opened: the file together with its key."""

import os
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from configs.loader import INVENTORY, inventory_path, other_inventories
from configs.problems import ConfigurationError, Problem, shown
from configs.secrets import ssh_keys
from configs.secrets.cipher import Key, Unsealable
from configs.secrets.files import alone, refusal, write_whole
from configs.secrets.keys import Ask, Found, find
from configs.secrets.secret import NAME, NAME_EXPECTED, Secret
from configs.secrets.sheet import INIT, SET, Entry, Sheet, read

FILE = ".secrets.env"
# How the names of deploy keys end.
DEPLOY_KEY = "_DEPLOY_KEY"
FILE_VARIABLE = "CHOM_SECRETS_FILE"


def secrets_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The file that CHOM_SECRETS_FILE names, else the one beside the inventory.

    That is .secrets.env, or of an inventory NAME.yaml .secrets.NAME.env where that exists, or where
    another inventory lies beside it. Raises ConfigurationError rather than give one inventory the
    secrets of another one without a word.
    """
    if named := environ.get(FILE_VARIABLE, ""):
        return Path(os.path.expanduser(named))
    inventory = inventory_path(environ)
    common = inventory.parent / FILE
    own = inventory.parent / f".secrets.{inventory.stem}.env"
    if inventory.stem == INVENTORY.stem or own.exists():
        return common if inventory.stem == INVENTORY.stem else own
    others = other_inventories(inventory)
    if others and common.exists():
        raise _shared(inventory, common, own, others)
    return own if others else common


def _shared(inventory: Path, common: Path, own: Path, others: Sequence[Path]) -> ConfigurationError:
    names = ", ".join(other.name for other in others)
    return refusal(
        common,
        "",
        f"no secrets of {inventory.name} alone: {common.name} is also for {names}, beside it",
        f"secrets of its own for {inventory.name}, in {own.name}",
        f"for new secrets: {FILE_VARIABLE}={shlex.quote(shown(own))} {INIT}\n"
        f"if those in {common.name} are for {inventory.name}: "
        f"mv {shlex.quote(shown(common))} {shlex.quote(shown(own))}\n"
        f"to use the same ones on purpose: export {FILE_VARIABLE}={shlex.quote(shown(common))}",
    )


def load_secrets(
    path: Path | None = None,
    *,
    required: Collection[str] = (),
    environ: Mapping[str, str] = os.environ,
    ask: Ask | None = None,
) -> Mapping[str, Secret]:
    """All secrets by name, in the file's order; changes nothing.

    path: the file; without one secrets_path does.
    required: names that must be there. Without any, a missing file means no secrets.
    ask: asks for the passphrase, if there is one; without it the terminal does.

    Raises ConfigurationError with every problem at once.
    """
    path = path or secrets_path(environ)
    if not required and not os.path.exists(path):
        return MappingProxyType({})
    secrets = open_store(path, environ, ask).secrets()
    if missing := [_missing(path, name) for name in required if name not in secrets]:
        raise ConfigurationError(missing)
    return MappingProxyType(secrets)


@dataclass(frozen=True)
class Store:
    """A secrets file and the key that opens it."""

    sheet: Sheet
    found: Found

    @property
    def key(self) -> Key:
        """The key."""
        return self.found.key

    def secrets(self, *, plain: bool = False) -> dict[str, Secret]:
        """All secrets. Raises ConfigurationError with every value that cannot be opened.

        plain: take an unencrypted value as it is, instead of refusing it.
        """
        opened: dict[str, Secret] = {}
        problems: list[Problem] = []
        for entry in self.sheet.entries():
            try:
                opened[entry.name] = self._open(entry, plain=plain)
            except ConfigurationError as error:
                problems += error.problems
        if problems:
            raise ConfigurationError(problems)
        return opened

    def secret(self, name: str) -> Secret:
        """One secret, whatever is wrong with the others. Raises ConfigurationError."""
        for entry in self.sheet.entries():
            if entry.name == name:
                return self._open(entry)
        raise ConfigurationError([_missing(self.sheet.path, name)])

    def write(self, values: Mapping[str, str | None]) -> None:
        """Seal and write these values (None: take the name out). Raises ConfigurationError.

        A deploy key that ssh could not use is refused here, where it is at hand to be replaced.
        """
        if problems := unusable_keys(values):
            raise ConfigurationError(problems)
        tokens = {name: self._seal(name, value) for name, value in values.items()}
        write_whole(self.sheet.path, self.sheet.changed(tokens).text)

    def _seal(self, name: str, value: str | None) -> str | None:
        if value is None:
            return None
        check_name(name)
        try:
            return self.key.seal(name, value)
        except UnicodeEncodeError:
            raise refusal(
                name, "", "bytes that are not UTF-8", "text", "store it in base64"
            ) from None

    def _open(self, entry: Entry, *, plain: bool = False) -> Secret:
        if not entry.sealed:
            if plain and entry.written:
                return Secret(entry.name, entry.written)
            raise ConfigurationError([_unencrypted(self.sheet.path, entry)])
        try:
            return Secret(entry.name, self.key.unseal(entry.name, entry.written))
        except Unsealable as error:
            problem = _tampered(self.sheet.path, entry, error.actual)
            raise ConfigurationError([problem]) from None


def open_store(path: Path, environ: Mapping[str, str], ask: Ask | None = None) -> Store:
    """Read the file and find its key. Raises ConfigurationError."""
    sheet = read(path)
    sheet.entries()
    return Store(sheet, find(sheet, environ, ask))


@contextmanager
def changing(path: Path, environ: Mapping[str, str], ask: Ask | None = None) -> Iterator[Store]:
    """The store, for this command alone: nothing is lost between reading and writing it."""
    with alone(path):
        yield open_store(path, environ, ask)


def unusable_keys(values: Mapping[str, str | None]) -> list[Problem]:
    """Those that are called deploy keys, were meant to be keys of SSH, and are of no use."""
    keys = {
        name: value
        for name, value in values.items()
        if value and name.endswith(DEPLOY_KEY) and ssh_keys.looks_like_ssh_key(value)
    }
    flaws = {name: ssh_keys.unusable(value, f"{SET} {name}") for name, value in keys.items()}
    return [
        Problem(name, "", flaw.found, ssh_keys.EXPECTED, flaw.remedy)
        for name, flaw in flaws.items()
        if flaw
    ]


def check_name(name: str) -> None:
    """Raises ConfigurationError unless a secret can have this name."""
    if not NAME.fullmatch(name):
        # Not repeated: it may be the value itself, at the wrong place.
        raise refusal(
            "the name", "", "a name that no secret can have", NAME_EXPECTED, "such as SMTP_PASSWORD"
        )


def _missing(path: Path, name: str) -> Problem:
    if not os.path.exists(path):
        return Problem(shown(path), name, "no such file", "an encrypted value", INIT)
    return Problem(shown(path), name, "nothing", "an encrypted value", f"{SET} {name}")


def _unencrypted(path: Path, entry: Entry) -> Problem:
    where = f"on line {entry.line}"
    if not entry.written:
        return Problem(
            shown(path), entry.name, f"nothing {where}", "an encrypted value", f"{SET} {entry.name}"
        )
    return Problem(
        shown(path),
        entry.name,
        f"an unencrypted value {where}",
        "an encrypted value",
        f"{SET} {entry.name}\n"
        "and if the file was ever committed or sent, with a value that nobody has read",
    )


def _tampered(path: Path, entry: Entry, actual: str) -> Problem:
    found = f"the value of {actual}" if actual else "a value that was changed, cut off, or sealed"
    return Problem(
        shown(path),
        entry.name,
        f"{found} {'' if actual else 'with another key '}(line {entry.line})",
        f"the value that was sealed for {entry.name} with this key",
        f"take the line from an earlier version of the file (git log -p), or {SET} {entry.name}",
    )

"""The secrets that a deployment needs: all of them at hand before anything connects."""

import getpass
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from configs.problems import ConfigurationError, Problem, shown
from configs.secrets import ssh_keys
from configs.secrets.generating import Kind, random_value
from configs.secrets.initialising import initialise
from configs.secrets.keys import FILE_VARIABLE, VARIABLE, Ask, find, has_terminal
from configs.secrets.secret import UNWRITABLE, Secret
from configs.secrets.sheet import INIT, SET, read
from configs.secrets.store import Store, changing, load_secrets, secrets_path

SHORTEST = 6


@dataclass(frozen=True)
class Needed:
    """A secret that a component needs. kind: how it is made; None: only the user can know it.

    what: what it is for, in a few words, for the one who is asked for it.
    is_ssh_key: it is a private key that SSH logs in with, while nobody is there to be asked.
    retired: an earlier version needed it; it is used if the file has it, and never made.
    """

    name: str
    what: str
    kind: Kind | None = None
    retired: bool = False
    is_ssh_key: bool = False


@dataclass(frozen=True)
class Provided:
    """secrets: all of the file's, and those that were missing there, by name.

    notes: what was done to the file, for the one who deploys.
    """

    secrets: Mapping[str, Secret]
    notes: tuple[str, ...] = ()


def provide(
    needs: Iterable[Needed],
    *,
    keep: bool,
    environ: Mapping[str, str] = os.environ,
    ask: Ask | None = None,
) -> Provided:
    """What is needed, from the file; what is missing there is asked for, or made, and stored.

    keep: store it; without, the values are for this process alone and nothing is written.
    ask: asks for one that only the user knows; without it the terminal does, if there is one.

    In CI nothing is made: what is made there is lost with the job, and an application whose key
    changes cannot read its own data any more. Raises ConfigurationError with every problem.
    """
    path = secrets_path(environ)
    every = {need.name: need for need in needs}
    wanted = {name: need for name, need in every.items() if not need.retired}
    present = load_secrets(path, environ=environ, ask=ask)
    notes = _retired(path, [name for name in every if name not in wanted and name in present])
    missing = [need for name, need in wanted.items() if name not in present]
    there = [(need, present[name]) for name, need in wanted.items() if name in present]
    problems = [problem for need, secret in there for problem in _unfit(path, need, secret)]
    if environ.get("CI") or not (ask or has_terminal()):
        problems += [_unknown(path, need) for need in missing if need.kind is None]
    if environ.get("CI") and keep:
        problems += [_not_in_ci(path, need) for need in missing if need.kind]
    if problems:
        raise ConfigurationError(problems)
    if not missing:
        return Provided(present, notes)
    new = {need.name: Secret(need.name, _value(need, ask)) for need in missing}
    if refused := [bad for need in missing for bad in _unfit(path, need, new[need.name])]:
        raise ConfigurationError(refused)
    if not keep:
        return Provided({**present, **new}, notes)
    stored = _stored(path, new, environ, ask)
    return replace(stored, notes=(*stored.notes, *notes))


def unknown(needs: Iterable[Needed], environ: Mapping[str, str] = os.environ) -> list[Problem]:
    """Those that only the user can know and that the file does not have; needs no key.

    Raises ConfigurationError for a file that cannot be read.
    """
    path = secrets_path(environ)
    names = {entry.name for entry in read(path).entries()} if os.path.exists(path) else set()
    missing = {need.name: need for need in needs if need.kind is None and need.name not in names}
    return [_unknown(path, need) for need in missing.values()]


def check(
    needs: Sequence[Needed], environ: Mapping[str, str] = os.environ
) -> tuple[list[Problem], list[Problem]]:
    """Problems of the secrets, and why they could not be opened, if they could not; asks nobody.

    Without the key only the names are known. Raises ConfigurationError for a file that cannot be
    read.
    """
    path = secrets_path(environ)
    problems = unknown(needs, environ)
    if not os.path.exists(path):
        return problems, []
    sheet = read(path)
    sheet.entries()
    if sheet.salt is not None and not (environ.get(VARIABLE) or environ.get(FILE_VARIABLE)):
        return problems, []  # the deploy asks for the passphrase
    try:
        store = Store(sheet, find(sheet, environ))
    except ConfigurationError as error:
        return problems, error.problems
    try:
        present = store.secrets()
    except ConfigurationError as error:
        return [*problems, *error.problems], []
    for need in {need.name: need for need in needs if need.name in present}.values():
        problems += _unfit(path, need, present[need.name])
    return problems, []


def _retired(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """A note that names secrets of earlier versions which the file still has."""
    if not names:
        return ()
    return (
        f"{shown(path)} still has {', '.join(names)}, which all targets shared in earlier versions:"
        " nothing needs them once every target was deployed to together with the observability"
        " target; `python -m configs secrets edit` takes them out",
    )


def _stored(
    path: Path, new: Mapping[str, Secret], environ: Mapping[str, str], ask: Ask | None
) -> Provided:
    notes = [] if os.path.exists(path) else _begun(path, environ)
    with changing(path, environ, ask) as store:
        # Another run may have made them in the meantime: the first one's stay.
        present = store.secrets()
        left = {name: secret for name, secret in new.items() if name not in present}
        if left:
            store.write({name: secret.reveal() for name, secret in left.items()})
    if left:
        notes.append(f"{shown(path)} has got {', '.join(left)}; commit it")
    return Provided({**new, **present}, tuple(notes))


def _begun(path: Path, environ: Mapping[str, str]) -> list[str]:
    try:
        found = initialise(path, environ)
    except ConfigurationError:
        if os.path.exists(path):  # another run has just done it
            return []
        raise
    return [
        f"the secrets are sealed with the key {found.key.id} ({found.source}): keep a copy of it at"
        " a safe place, without it they are lost"
    ]


def _value(need: Needed, ask: Ask | None) -> str:
    if need.kind:
        return random_value(need.kind)
    return (ask or getpass.getpass)(f"{need.name} ({need.what}): ")


def _unfit(path: Path, need: Needed, secret: Secret) -> Iterator[Problem]:
    """Why its component could not use this value, which it writes into a text file."""
    value = secret.reveal()
    command = f"{SET} {need.name}"
    if need.is_ssh_key and (flaw := ssh_keys.unusable(value, command)):
        yield Problem(shown(path), need.name, flaw.found, ssh_keys.EXPECTED, flaw.remedy)
        return
    if UNWRITABLE.search(value):
        found = "a control character, or another that no text file can hold"
        yield Problem(shown(path), need.name, found, "text that can be printed", command)
    if len(value) < SHORTEST:
        found = f"{len(value)} characters"
        expected = f"at least {SHORTEST}: a shorter one cannot be told from ordinary words"
        yield Problem(shown(path), need.name, found, expected, command)
    if need.kind is None and value != value.strip():
        found = "blanks or line ends around the value"
        yield Problem(shown(path), need.name, found, "the value alone", command)


def _unknown(path: Path, need: Needed) -> Problem:
    begin = "" if os.path.exists(path) else f"{INIT}\n"
    return Problem(shown(path), need.name, "nothing", need.what, f"{begin}{SET} {need.name}")


def _not_in_ci(path: Path, need: Needed) -> Problem:
    begin = "" if os.path.exists(path) else f"{INIT}\n"
    return Problem(
        shown(path),
        need.name,
        "nothing, and CI keeps nothing that is made here",
        f"{need.what}, made once",
        f"on a computer of yours: {begin}{SET} {need.name} --generate {need.kind}\n"
        "and commit the file",
    )

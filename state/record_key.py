"""The key of the records, as the secrets have it."""

import os
from collections.abc import Mapping

from configs import ConfigurationError, Problem
from configs.problems import shown
from configs.secrets import Secret, load_secrets, secrets_path
from state.refusing import Refusal
from state.signing import GENERATE, NAME, RecordKey
from state.store import Store

RESIGN = "python -m state accept --all"


def key_of(secrets: Mapping[str, Secret]) -> RecordKey | None:
    """Return the key that is among opened secrets, if it is."""
    return RecordKey(secrets[NAME].reveal()) if NAME in secrets else None


def load(environ: Mapping[str, str] = os.environ) -> tuple[RecordKey | None, str]:
    """Return the key, or None and the reason, in words; for commands that only read.

    Nobody is asked for a passphrase.
    """
    try:
        key = key_of(load_secrets(environ=environ, ask=_do_not_ask))
    except _Asked:
        return None, "the secrets are sealed with a passphrase"
    except ConfigurationError as error:
        problem = error.problems[0]
        return None, f"{problem.file}: {problem.found}"
    return key, "" if key else f"{shown(secrets_path(environ))} has no {NAME} yet"


def required(environ: Mapping[str, str] = os.environ) -> RecordKey:
    """Return the key, for commands that change the history. Raises Refusal."""
    try:
        key = key_of(load_secrets(environ=environ))
    except ConfigurationError as error:
        remedy = "open the secrets first: python -m configs secrets check"
        raise Refusal(str(error), f"{NAME}, by which records are signed", remedy) from None
    if key is None:
        raise Refusal(
            f"no {NAME} in {shown(secrets_path(environ))}",
            "the key by which records are signed",
            f"deploy, which makes it; or {GENERATE}",
        )
    return key


def check(store: Store) -> None:
    """Refuse a key that is not the one that has signed the history of this folder.

    Raises ConfigurationError.
    """
    signed_by = store.signing.key_id
    if store.key and signed_by and signed_by != store.key.id:
        raise ConfigurationError(
            [
                Problem(
                    shown(secrets_path()),
                    NAME,
                    f"the key {store.key.id}",
                    f"the key {signed_by}, which the records in {shown(store.history)} are signed"
                    " with",
                    f"put back the old value; if you changed it on purpose: {RESIGN}",
                )
            ]
        )


class _Asked(Exception):
    """A passphrase would have to be typed."""


def _do_not_ask(prompt: str) -> str:
    raise _Asked(prompt)

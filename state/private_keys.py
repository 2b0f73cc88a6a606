"""The targets' private keys, read before anything is connected to.

pyinfra reads them in the middle of connecting, where a bad one ends in a traceback, and asks for
one passphrase as often as there are targets, all at the same time.
"""

import getpass
import sys
from collections.abc import Iterable
from pathlib import Path

from paramiko import PKey
from pyinfra.api import State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.ssh_util import load_key_with_certificate

from configs import ConfigurationError, Problem, Target
from configs.keyfiles import has_passphrase

TRIES = 3


def read_keys(state: State, targets: Iterable[Target]) -> None:
    """Leave every key where pyinfra finds it; passphrases are asked for on the terminal, once.

    Raises ConfigurationError for all that cannot be read.
    """
    problems = []
    for path, written in {each.ssh.key_path: each.ssh.key for each in targets}.items():
        if str(path) in state.private_keys:
            continue
        try:
            state.private_keys[str(path)] = _read(path, written)
        except PyinfraError:
            problems.append(
                Problem(
                    written,
                    "",
                    "no key that can be read: it is damaged, of an unknown kind, or its passphrase"
                    " is another one",
                    "a private key of OpenSSH: Ed25519, ECDSA or RSA",
                    f"try it: ssh-keygen -y -f {path}\n"
                    f"one in another form is rewritten by: ssh-keygen -p -f {path}",
                )
            )
    if problems:
        raise ConfigurationError(problems)


def _read(path: Path, written: str) -> PKey:
    """Raises PyinfraError."""
    asks = has_passphrase(path.read_bytes()) and sys.stdin.isatty()
    tries = TRIES if asks else 1
    for left in reversed(range(tries)):
        passphrase = getpass.getpass(f"passphrase of {written}: ") if asks else ""
        try:
            return load_key_with_certificate(str(path), passphrase, allow_prompt=False)
        except (PyinfraError, ValueError, OSError) as error:  # garbage has many
            if not left:
                raise PyinfraError(str(error)) from None
    raise AssertionError("the last try returns or raises")

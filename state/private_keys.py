"""The targets' private keys, read before anything is connected to.

pyinfra reads them in the middle of connecting, where a bad one ends in a traceback, and asks for
one passphrase as often as there are targets, all at the same time.
"""

import getpass
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.ssh import (
    SSHCertificate,
    load_ssh_public_identity,
)
from paramiko import PKey
from pyinfra.api import State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.ssh_util import load_key_with_certificate

from configs import ConfigurationError, Problem, Target
from configs.agent import blob_of
from configs.keyfiles import has_passphrase, public_key
from configs.routes import route_of
from state.agent_keys import held_key

TRIES = 3


def read_keys(state: State, targets: Iterable[Target]) -> None:
    """Leave every key where pyinfra finds it; passphrases are asked for on the terminal, once.

    Raises ConfigurationError for all that cannot be read.
    """
    problems = []
    keys = {each.ssh.key_path: each for each in targets}
    for path, target in keys.items():
        written, route = target.ssh.key, route_of(target.address, target.ssh)
        if str(path) in state.private_keys:
            continue
        try:
            key = _held(path, route.agent) or _read(path, written)
            _certify(key, path, route.certificates)
            state.private_keys[str(path)] = key
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


def _held(path: Path, agent: str | None) -> PKey | None:
    """The key by an agent, where it holds it, and the file alone is of no use."""
    if path.is_file() and path.suffix != ".pub" and not has_passphrase(path.read_bytes()):
        return None
    return held_key(public_key(path), agent)


def _certify(key: PKey, path: Path, others: Sequence[Path]) -> None:
    """Add the certificate for a key: the one beside its file, or one that ssh is told of."""
    base = path.with_suffix("") if path.suffix == ".pub" else path
    for place in (base.with_name(f"{base.name}-cert.pub"), *others):
        try:
            certificate = load_ssh_public_identity(place.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(certificate, SSHCertificate) and _is_of(certificate, key):
            key.load_certificate(str(place))
            return


def _is_of(certificate: SSHCertificate, key: PKey) -> bool:
    line = certificate.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return blob_of(line.decode()) == key.asbytes()


def _read(path: Path, written: str) -> PKey:
    """Raises PyinfraError."""
    asks = has_passphrase(path.read_bytes()) and sys.stdin.isatty()
    tries = TRIES if asks else 1
    for left in reversed(range(tries)):
        passphrase = getpass.getpass(f"passphrase of {written}: ") if asks else ""
        try:
            # No certificate: pyinfra would take one that is of another key.
            return load_key_with_certificate(str(path), passphrase, "", allow_prompt=False)
        except (PyinfraError, ValueError, OSError) as error:  # garbage has many
            if not left:
                raise PyinfraError(str(error)) from None
    raise AssertionError("the last try returns or raises")

"""OpenPGP keys that sign the mirror's repositories, each in a keyring folder of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.shell import LabError, run

ALGORITHM = "ed25519"
# What gpg says of an agent that is ending, and how often it is asked then.
AGENT_GONE, TRIES = "can't connect to the agent", 5


@dataclass(frozen=True)
class SigningKey:
    """The one secret key of a keyring folder.

    Args:
        home: The folder, readable by its owner alone.
        clock: The time that gpg believes it is, such as `20200101T000000`; now by default.
    """

    home: Path
    clock: str = ""

    def create(self, owner: str) -> SigningKey:
        """Make the key, valid for ever, unless the folder has one; `owner` is its user id.

        Raises:
            LabError: gpg could not make it.
        """
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.home.chmod(0o700)
        if not self._fingerprints():
            # No passphrase: whoever can read the folder is root of the lab anyway.
            self._gpg(
                *("--pinentry-mode", "loopback", "--passphrase", ""),
                *("--quick-generate-key", owner, ALGORITHM, "sign", "never"),
            )
        return self

    def expire(self, lifetime: str) -> None:
        """Let its validity end so long (as gpg reads it) after this key's `clock`."""
        self._gpg("--quick-set-expire", self.fingerprint(), lifetime)

    def fingerprint(self) -> str:
        """Forty hexadecimal digits; raises `LabError` when there is not exactly one key."""
        found = self._fingerprints()
        if len(found) != 1:
            raise LabError(f"{self.home} holds {len(found)} signing keys instead of one: remove it")
        return found[0]

    def public(self) -> str:
        """The ASCII-armoured public key."""
        return self._gpg("--armor", "--export", self.fingerprint())

    def export(self, path: Path) -> None:
        """Write the public key, not in armour, into a file."""
        self._gpg("--output", str(path), "--export", self.fingerprint())

    def sign_inline(self, text: str) -> str:
        """The text within its signature, as an `InRelease` file has it."""
        return self._gpg("--armor", "--clear-sign", input=text)

    def sign_detached(self, text: str) -> str:
        """An ASCII-armoured signature of the text, as `Release.gpg` has it."""
        return self._gpg("--armor", "--detach-sign", input=text)

    def _fingerprints(self) -> list[str]:
        listed = self._gpg("--with-colons", "--list-secret-keys").splitlines()
        return [line.split(":")[9] for line in listed if line.startswith("fpr:")]

    def _gpg(self, *arguments: str, input: str | None = None) -> str:
        """Run gpg, again where it met the agent of the last time on its way out."""
        for _ in range(TRIES - 1):
            try:
                return self._run_gpg(*arguments, input=input)
            except LabError as error:
                if AGENT_GONE not in str(error):
                    raise
                time.sleep(1)
        return self._run_gpg(*arguments, input=input)

    def _run_gpg(self, *arguments: str, input: str | None = None) -> str:
        clock = ("--faked-system-time", f"{self.clock}!") if self.clock else ()
        with _no_agent_left(self.home):
            done = run(
                *("gpg", "--homedir", str(self.home), "--batch", "--yes", "--no-tty"),
                *("--quiet", "--no-auto-check-trustdb", "--digest-algo", "SHA512"),
                *(*clock, *arguments),
                input=input,
            )
        return done.stdout


@contextmanager
def _no_agent_left(home: Path) -> Iterator[None]:
    """gpg starts an agent for the folder, which would outlive it and the lab."""
    try:
        yield
    finally:
        run("gpgconf", "--homedir", str(home), "--kill", "gpg-agent", check=False)

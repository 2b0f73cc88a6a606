"""Repositories that apt must refuse, beside the good one: what tests of such refusals install from.

Each is published below `broken/` in the mirror's folder and returned as a deployment would be told
of it: with a key to fetch and the fingerprint that it should have.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.lab import apt_repository, grafana_repository, mirror
from tests.lab.apt_repository import KEY_FILE, SUITE
from tests.lab.grafana_repository import Repository
from tests.lab.signing import SigningKey

FOLDER = "broken"
# When the expired key was made, when its validity was cut short, and to how long from then.
MADE, SHORTENED, LIFETIME = "20240101T120000", "20240101T130000", "1d"


def wrong_key(folder: Path, address: str) -> Repository:
    """Signed by another key than the one that it offers."""
    return _publish(folder, address, "wrong-key", _sign_with_another)


def other_key(folder: Path, address: str) -> Repository:
    """Sound in itself, but with a key of another fingerprint than was announced."""

    def offer_another(made: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="key-") as home:
            stranger = SigningKey(Path(home)).create("Somebody else <else@lab.invalid>")
            (made / KEY_FILE).write_text(stranger.public())
            _sign_again(made, stranger)

    return _publish(folder, address, "other-key", offer_another)


def expired_key(folder: Path, address: str) -> Repository:
    """Signed today by the announced key, which has not been valid for long.

    A signature from the days when the key was valid would do for apt: it asks how things were
    when something was signed.
    """

    def sign_with_expired(made: Path) -> str:
        with tempfile.TemporaryDirectory(prefix="key-") as home:
            old = SigningKey(Path(home), clock=MADE).create("Long ago <past@lab.invalid>")
            # gpg does not sign with an expired key: it expires, looking back, only now.
            _sign_again(made, replace(old, clock=""))
            old = replace(old, clock=SHORTENED)
            old.expire(LIFETIME)
            (made / KEY_FILE).write_text(old.public())
            return old.fingerprint()

    return _publish(folder, address, "expired-key", sign_with_expired)


def unsigned(folder: Path, address: str) -> Repository:
    """With a `Release` file that nobody signed."""

    def take_signatures_away(made: Path) -> None:
        for name in ("InRelease", "Release.gpg"):
            (_suite(made) / name).unlink()

    return _publish(folder, address, "unsigned", take_signatures_away)


def tampered_package(folder: Path, address: str) -> Repository:
    """With packages that were changed after their checksums had been signed."""

    def change_packages(made: Path) -> None:
        for deb in (made / "pool").rglob("*.deb"):
            content = bytearray(deb.read_bytes())
            content[-1] ^= 0xFF
            deb.write_bytes(content)

    return _publish(folder, address, "tampered-package", change_packages)


def tampered_release(folder: Path, address: str) -> Repository:
    """With a `Release` file that was changed after it had been signed."""

    def change_release(made: Path) -> None:
        for name in ("InRelease", "Release"):
            file = _suite(made) / name
            file.write_text(file.read_text().replace("Label: lab mirror", "Label: lab error!"))

    return _publish(folder, address, "tampered-release", change_release)


def remove(folder: Path) -> None:
    """Take all of them out of the mirror again."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def _publish(
    folder: Path, address: str, name: str, spoil: Callable[[Path], str | None]
) -> Repository:
    """Copy the good repository, and spoil it.

    Args:
        folder: The mirror's.
        address: Where the mirror answers.
        name: Its own folder below `broken/`.
        spoil: Changes it, and returns the fingerprint to announce unless that is the mirror's.
    """
    good = grafana_repository.published(folder, address)
    with grafana_repository.replacing(folder / FOLDER / name) as made:
        shutil.copytree(folder / grafana_repository.PLACE, made, dirs_exist_ok=True)
        fingerprint = spoil(made) or good.fingerprint
    return Repository(f"{mirror.url(address)}/{FOLDER}/{name}", fingerprint, good.standins)


def _sign_with_another(made: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="key-") as home:
        _sign_again(made, SigningKey(Path(home)).create("Somebody else <else@lab.invalid>"))


def _sign_again(made: Path, key: SigningKey) -> None:
    apt_repository.sign(_suite(made), (_suite(made) / "Release").read_text(), key)


def _suite(made: Path) -> Path:
    return made / "dists" / SUITE

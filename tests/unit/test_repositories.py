"""Whom apt is told to trust: keys with an expected fingerprint that are still good, nobody else."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyinfra.api.exceptions import OperationError
from pyinfra.context import ctx_host, ctx_state
from pysequoia import Tsk

from tasks.operations.repositories import trust_key
from tasks.repositories import Repository, certificates, distrust
from tests.unit.helpers import fake_state


def key(**changes: Any) -> tuple[bytes, str]:
    """A new public key in armour, and its fingerprint."""
    secret = Tsk.generate("vendor@example.org", **changes)
    cert = secret.extract_certificate()
    return str(cert).encode(), cert.fingerprint.upper()


def test_a_key_with_the_right_fingerprint() -> None:
    content, fingerprint = key()
    assert distrust(content, ["A" * 40, fingerprint]) == ""


def test_another_key_is_named_with_what_was_expected() -> None:
    content, fingerprint = key()
    said = distrust(content, ["A" * 40, "B" * 40])
    assert f"{'A' * 40} or {'B' * 40}" in said and f"{fingerprint} came" in said


def test_a_second_key_in_the_same_file_is_not_let_in() -> None:
    good, fingerprint = key()
    other, stranger = key()
    assert f"{stranger} came" in distrust(good + other, [fingerprint])


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x99\x01\x0d\x04"])
def test_what_is_no_key(content: bytes) -> None:
    assert certificates(content) == []
    assert f"no OpenPGP key ({len(content)} bytes)" in distrust(content, ["A" * 40])


def test_a_key_that_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    content, fingerprint = key(validity_seconds=3600)
    assert distrust(content, [fingerprint]) == ""

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=1)

    monkeypatch.setattr("tasks.repositories.datetime", Tomorrow)
    assert f"{fingerprint} expired on" in distrust(content, [fingerprint])


def steps(there: bytes, offered: bytes, fingerprint: str) -> list[str]:
    """What is done on a host that has and is offered these keys."""
    responses = {
        "download-file": b64encode(offered).decode(),
        "/etc/apt/keyrings/vendor.asc": b64encode(there).decode(),
    }
    state = fake_state(["vpsmanager"], responses)
    host = state.inventory.get_host("@fake/vpsmanager")
    with ctx_state.use(state), ctx_host.use(host):
        return [
            str(each)
            for each in trust_key._inner(
                path="/etc/apt/keyrings/vendor.asc",
                url="https://vendor.example.org/key",
                fingerprints=[fingerprint],
            )
        ]


def test_a_good_key_that_is_there_stays() -> None:
    content, fingerprint = key()
    assert steps(content, b"", fingerprint) == []


def test_a_missing_or_other_key_is_replaced() -> None:
    content, fingerprint = key()
    other, _ = key()
    for there in (b"", other, b"half a k"):
        (step,) = steps(there, content, fingerprint)
        assert "/etc/apt/keyrings/vendor.asc" in step


def test_a_key_that_is_offered_wrongly_stops() -> None:
    content, _ = key()
    with pytest.raises(OperationError, match=r"expected a key .* came; nothing is trusted"):
        steps(b"", content, "A" * 40)
    with pytest.raises(OperationError, match="nothing came from https://vendor"):
        steps(b"", b"", "A" * 40)


def test_a_repository_is_trusted_with_its_own_key_alone() -> None:
    source = Repository("vendor", "https://vendor.example.org", "", ("A" * 40,)).source()
    assert "Signed-By: /etc/apt/keyrings/vendor.asc\n" in source
    assert source.endswith("\n") and "Trusted" not in source

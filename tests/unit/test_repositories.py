"""Whom apt is told to trust: keys with an expected fingerprint that are still good, nobody else."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyinfra.api.exceptions import OperationError
from pyinfra.context import ctx_host, ctx_state
from pysequoia import Tsk

from tasks.operations.repositories import trust_keys
from tasks.repositories import Repository, certificates, distrust, is_trusted, trusted
from tests.unit.helpers import fake_state


class Tomorrow(datetime):
    """A clock that is one day ahead."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + timedelta(days=1)


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


def test_keys_that_are_not_listed_are_dropped() -> None:
    good, fingerprint = key()
    other, stranger = key()
    assert distrust(other + good, [fingerprint]) == ""
    assert not is_trusted(other + good, [fingerprint])
    kept = trusted(other + good, [fingerprint]).encode()
    assert [cert.fingerprint.upper() for cert in certificates(kept)] == [fingerprint]
    assert is_trusted(kept, [fingerprint])
    assert trusted(other, [fingerprint]) == ""
    assert f"{stranger}, {stranger} came" in distrust(other + other, [fingerprint])


def test_of_listed_keys_the_expired_one_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    good, fingerprint = key()
    old, expired = key(validity_seconds=3600)
    monkeypatch.setattr("tasks.repositories.datetime", Tomorrow)
    both = [fingerprint, expired]
    assert distrust(old + good, both) == ""
    kept = trusted(old + good, both).encode()
    assert [cert.fingerprint.upper() for cert in certificates(kept)] == [fingerprint]


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x99\x01\x0d\x04"])
def test_what_is_no_key(content: bytes) -> None:
    assert certificates(content) == []
    assert f"no OpenPGP key ({len(content)} bytes)" in distrust(content, ["A" * 40])


def test_a_key_that_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    content, fingerprint = key(validity_seconds=3600)
    assert distrust(content, [fingerprint]) == ""
    monkeypatch.setattr("tasks.repositories.datetime", Tomorrow)
    assert f"{fingerprint} expired on" in distrust(content, [fingerprint])


def vendor(*fingerprints: str) -> Repository:
    """A repository that one of these keys may sign."""
    return Repository(
        "vendor",
        "https://vendor.example.org",
        "https://vendor.example.org/key",
        fingerprints,
        origin="vendor.example.org",
        owns="vendor*",
    )


def steps(
    there: bytes, offered: bytes, *fingerprints: str, accepted_before: tuple[str, ...] | None = None
) -> list[str]:
    """Commands on a host that has and is offered these keys; it accepts the same as before."""
    repository = vendor(*fingerprints)
    before = vendor(*accepted_before) if accepted_before is not None else repository
    responses = {
        "download-file": b64encode(offered).decode(),
        repository.key_path: b64encode(there).decode(),
        repository.source_path: before.source(),
    }
    state = fake_state(["vpsmanager"], responses)
    host = state.inventory.get_host("@fake/vpsmanager")
    with ctx_state.use(state), ctx_host.use(host):
        commands = trust_keys._inner(repository=repository)
        return [f"{each}{each.connector_arguments.get('_stdin', '')}" for each in commands]


def test_a_good_key_that_is_there_stays() -> None:
    content, fingerprint = key()
    assert steps(content, b"", fingerprint) == []


def test_a_missing_or_other_key_is_replaced() -> None:
    content, fingerprint = key()
    other, _ = key()
    for there in (b"", other, b"half a k"):
        (step,) = steps(there, content, fingerprint)
        assert "/etc/apt/keyrings/vendor.asc" in step
        assert trusted(content, [fingerprint]) in step


def test_a_key_that_is_accepted_no_more_goes_without_the_vendor() -> None:
    content, fingerprint = key()
    other, stranger = key()
    (step,) = steps(content + other, b"", fingerprint)
    assert trusted(content, [fingerprint]) in step and trusted(other, [stranger]) not in step


def test_other_accepted_keys_are_looked_for_in_the_vendors_file() -> None:
    content, fingerprint = key()
    newer, another = key()
    accepted = (fingerprint, another)
    (step,) = steps(content, content + newer, *accepted, accepted_before=(fingerprint,))
    assert trusted(content + newer, accepted) in step


def test_a_key_that_is_offered_wrongly_stops() -> None:
    content, _ = key()
    with pytest.raises(OperationError, match=r"expected a key .* came; nothing is trusted"):
        steps(b"", content, "A" * 40)
    with pytest.raises(OperationError, match="nothing came from https://vendor"):
        steps(b"", b"", "A" * 40)


def test_packages_that_a_repository_owns_come_from_its_origin_alone() -> None:
    text = vendor("A" * 40).preferences()
    assert "Package: vendor*\nPin: release o=vendor.example.org\nPin-Priority: 1001\n" in text


def test_a_repository_is_trusted_with_its_own_key_alone() -> None:
    source = Repository("vendor", "https://vendor.example.org", "", ("A" * 40,)).source()
    assert "Signed-By: /etc/apt/keyrings/vendor.asc\n" in source
    assert source.endswith("\n") and "Trusted" not in source

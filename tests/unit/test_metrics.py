"""Certificates and passwords of exporters: the same each time, and good for who reads them."""

import ssl
import threading
from contextlib import suppress
from pathlib import Path
from socket import create_connection, create_server

import bcrypt
import pytest
from cryptography import x509

from configs.secrets import random_value
from facts.certificates import ShownCertificate
from facts.tenants import StoredTenants
from tasks.metrics.certificate import certificate, fingerprint
from tasks.metrics.passwords import bcrypt_hash
from tests.unit.helpers import ThisComputer

NAME = "metrics.example.internal"


def test_a_key_has_one_certificate() -> None:
    key = random_value("private_key")
    first = certificate(key, NAME)
    certificate.cache_clear()
    assert certificate(key, NAME) == first != certificate(random_value("private_key"), NAME)
    names = x509.load_pem_x509_certificate(first.encode()).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == [NAME]


def test_another_kind_of_key_is_refused() -> None:
    with pytest.raises(ValueError):
        certificate("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n", NAME)


def test_who_trusts_the_certificate_alone_can_connect(tmp_path: Path) -> None:
    key = random_value("private_key")
    (tmp_path / "tls.key").write_text(key)
    (tmp_path / "tls.crt").write_text(certificate(key, NAME))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    with create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with listening.accept()[0] as plain, server.wrap_socket(plain, server_side=True) as one:
                one.sendall(b"hello")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        client = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
        with (
            create_connection(listening.getsockname(), timeout=120) as plain,
            client.wrap_socket(plain, server_hostname=NAME) as one,
        ):
            assert one.recv(5) == b"hello"
        thread.join(10)


@pytest.mark.parametrize("password", ["simple", "p\"a's$w é", "x" * 200])
def test_a_password_has_one_hash_and_it_fits(password: str) -> None:
    hashed = bcrypt_hash(password)
    bcrypt_hash.cache_clear()
    assert bcrypt_hash(password) == hashed
    assert bcrypt.checkpw(password.encode()[:72], hashed.encode())
    assert not bcrypt.checkpw(b"another", hashed.encode())


def test_the_certificate_that_a_server_presents_is_told_by_its_fingerprint(tmp_path: Path) -> None:
    key = random_value("private_key")
    pem = certificate(key, NAME)
    (tmp_path / "tls.key").write_text(key)
    (tmp_path / "tls.crt").write_text(pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    with create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with (
                suppress(OSError),
                listening.accept()[0] as plain,
                server.wrap_socket(plain, server_side=True) as one,
            ):
                one.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        address, port = listening.getsockname()
        shown = ThisComputer().get_fact(ShownCertificate, address=address, port=port)
        thread.join(10)
    assert shown == fingerprint(pem) and len(shown) == 64
    assert ThisComputer().get_fact(ShownCertificate, address=address, port=port) == ""


def test_tenants_are_told_by_their_folders(tmp_path: Path) -> None:
    for name in ("web-1", "fake", "index", "delete_requests", 'a"; evil', "loki_cluster_seed.json"):
        (tmp_path / name).mkdir()
    computer = ThisComputer()
    assert computer.get_fact(StoredTenants, folder=str(tmp_path)) == ["fake", "web-1"]
    assert computer.get_fact(StoredTenants, folder=str(tmp_path / "none")) == []

"""Certificates that servers present."""

from pyinfra.api import FactBase, StringCommand

LIMIT_S = 5


class ShownCertificate(FactBase[str]):
    """SHA-256 of the certificate a TLS server presents, in small hexadecimal digits.

    Empty if nothing answers at ``address`` and ``port`` within ``LIMIT_S`` seconds.
    """

    default = str

    def command(self, address: str, port: int) -> StringCommand:
        host = f"[{address}]" if ":" in address else address
        return StringCommand(
            f"timeout {LIMIT_S} openssl s_client -connect {host}:{port} </dev/null 2>/dev/null"
            " | openssl x509 -noout -fingerprint -sha256 2>/dev/null || true"
        )

    def process(self, output: list[str]) -> str:
        found = "".join(output).partition("=")[2]
        return found.replace(":", "").lower()

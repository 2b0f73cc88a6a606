"""A real mail server on the lab's gateway, with TLS and a login, that keeps what it gets."""

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.e2e.certificates import AUTHORITIES, issue
from tests.e2e.polling import wait_for
from tests.lab import Lab

PORT = 2587


@dataclass
class Mailbox:
    """Where it answers, the certificate to trust, and what came in."""

    address: str
    user: str
    password: str | None
    certificate: str
    mails: list[EmailMessage] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)

    def settings(self, to: str) -> dict[str, Any]:
        """What an inventory needs, by dotted key, to have alerts mailed here."""
        return {
            "targets.observability.settings.smtp": {
                "host": self.address,
                "port": PORT,
                "username": self.user,
            },
            "targets.observability.settings.alertmanager.email_to": [to],
        }

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any
    ) -> AuthResult:
        """Let in who knows user and password, by a login over TLS alone."""
        if not isinstance(login, LoginPassword):
            return AuthResult(success=False, handled=False)
        known = self.password is None or login.password == self.password.encode()
        right = known and login.login == self.user.encode()
        if not right:
            self.refused.append(login.password)
        return AuthResult(success=right, handled=right)

    def await_mail(self, *words: str, limit_s: float = 60) -> EmailMessage:
        """The first mail with all of these words in its subject or text."""

        def found() -> EmailMessage | None:
            for mail in list(self.mails):
                body = mail.get_body(("plain", "html"))
                text = f"{mail['subject']} {body.get_content() if body else ''}"
                if all(word in text for word in words):
                    return mail
            return None

        mail = wait_for(f"a mail about {', '.join(words)}", found, limit_s)
        assert mail is not None
        return mail


@contextmanager
def serve(address: str, user: str, password: str | None) -> Iterator[Mailbox]:
    """Take mail at ``address``:PORT while the block runs; without a password, with any."""
    certificate, context = _tls(address)
    mailbox = Mailbox(address, user, password, certificate)
    controller = Controller(
        mailbox,
        hostname=address,
        port=PORT,
        tls_context=context,
        require_starttls=True,
        authenticator=mailbox.authenticate,
        auth_required=True,
        # Its words for LOGIN are not those that Alertmanager waits for.
        auth_exclude_mechanism=["LOGIN"],
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


def trust(lab: Lab, mailbox: Mailbox) -> None:
    """Let the observability machine trust the mail server's certificate."""
    command = f"cat > {AUTHORITIES}/lab-mail.crt && update-ca-certificates"
    lab.run("observability", command, input=mailbox.certificate)


def distrust(lab: Lab) -> None:
    """Take that back."""
    lab.run("observability", f"rm -f {AUTHORITIES}/lab-mail.crt; update-ca-certificates")


def _tls(address: str) -> tuple[str, ssl.SSLContext]:
    """What to trust, in PEM, to believe the server at an IP address; and that server's context."""
    issued = issue(address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder, "both.pem")
        both.write_text(issued.key + issued.certificate)
        context.load_cert_chain(both)
    return issued.authority, context

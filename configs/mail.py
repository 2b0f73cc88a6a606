"""What mail needs before any can be sent: what no single setting can tell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from configs.values import is_email

_HOST, _USERNAME = ("smtp", "host"), ("smtp", "username")
_ADDRESS = "an email address as smtp.sender, or as smtp.username"
_WRITE_SENDER = "write the address that alerts come from into smtp.sender"


@dataclass(frozen=True)
class Lack:
    """What is missing, and the setting that is of no use without it.

    setting: the section and the key. found follows the setting's own value in a sentence.
    """

    what: Literal["server", "receiver", "sender"]
    setting: tuple[str, str]
    found: str
    expected: str
    remedy: str


_SERVER = Lack(
    "server",
    ("alertmanager", "email_to"),
    "and no mail server: smtp.host is null",
    "a mail server that takes the mail for them, or an empty list",
    "write smtp.host, or remove the addresses",
)
_RECEIVER = Lack(
    "receiver",
    _HOST,
    "and nobody who would get a mail: alertmanager.email_to is empty",
    "at least one address in alertmanager.email_to, or no mail server",
    "write who gets the alerts into alertmanager.email_to, or remove smtp.host",
)
_SENDER = Lack(
    "sender",
    _HOST,
    "and no sender: smtp.sender and smtp.username are null",
    _ADDRESS,
    _WRITE_SENDER,
)
_NO_ADDRESS = Lack(
    "sender",
    _USERNAME,
    "which is no email address, and smtp.sender is null",
    _ADDRESS,
    _WRITE_SENDER,
)


def lacks(smtp: Mapping[str, Any], email_to: Sequence[Any]) -> Iterator[Lack]:
    """What is missing; nothing where no mail is wanted at all.

    smtp, email_to: the section `smtp` and the list `alertmanager.email_to`.
    """
    username = smtp.get("username")
    if smtp.get("host") is None:
        if email_to:
            yield _SERVER
        return
    if not email_to:
        yield _RECEIVER
    if smtp.get("sender") is None and not is_email(str(username)):
        yield _SENDER if username is None else _NO_ADDRESS

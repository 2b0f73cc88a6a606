"""What a certificate of Let's Encrypt needs before one can be asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any


@dataclass(frozen=True)
class Obstacle:
    """Why no certificate can be asked for, and the setting to blame: the keys on the way to it.

    why: follows the name of the authority in a sentence.
    """

    setting: tuple[str, ...]
    why: str
    expected: str
    remedy: str


def obstacles(
    tls: Mapping[str, Any], names: Mapping[tuple[str, ...], str | None]
) -> Iterator[Obstacle]:
    """What is in the way; nothing where Let's Encrypt is not asked.

    tls: the section `tls`. names: setting → the host names that it gives; None: it was refused.
    """
    if tls.get("mode") != "letsencrypt":
        return
    if tls.get("email") is None:
        yield Obstacle(
            ("tls", "email"),
            "which wants to know who asks",
            "the email address of the account with Let's Encrypt",
            "write an address that is read into tls.email, or set tls.mode to selfsigned",
        )
    for setting, written in names.items():
        for name in (written or "").split():
            if unfit := _unfit(name):
                yield Obstacle(
                    setting,
                    f"which gives no certificate for {unfit}",
                    "host names that anyone can look up, such as shop.example.org",
                    f"write the names that visitors use into {'.'.join(setting)}, or set tls.mode"
                    " to selfsigned",
                )


def _unfit(name: str) -> str | None:
    if name == "_":
        return "every name"
    if "*" in name:
        return f"the wildcard {name}: this would take a change of your DNS, not a web server"
    if _is_address(name):
        return f"the bare address {name}"
    if "." not in name.strip("."):
        return f"{name}, a name without a domain"
    if not all(0 < len(label) <= 63 and label.strip("-") == label for label in name.split(".")):
        return f"{name}, which is no host name"
    return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return name.rpartition(".")[2].isdigit()
    return True

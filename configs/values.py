"""The kinds of value a setting can have, each with what it accepts."""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")

# These exist on every Debian machine or belong to another component: an application that took
# one of them over would own the machine's files, and a teardown would remove the account.
# fmt: off
RESERVED_NAMES = frozenset({
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy",
    "backup", "list", "irc", "nobody", "sshd", "messagebus", "mysql", "mariadb", "redis", "nginx",
    "prometheus", "alertmanager", "grafana", "loki", "promtail", "alloy", "information_schema",
    "performance_schema", "test",
    # Groups of Debian's, accounts of its images, and users of other components.
    "adm", "admin", "audio", "cdrom", "crontab", "debian", "dialout", "dip", "disk", "fax",
    "floppy", "git", "input", "kmem", "kvm", "mtail", "netdev", "nogroup", "operator", "plugdev",
    "polkitd", "postfix", "postgres", "render", "sasl", "sgx", "shadow", "shipper", "src", "ssh",
    "staff", "statd", "sudo", "tape", "tcpdump", "tty", "ubuntu", "users", "utmp", "uuidd",
    "vagrant", "video", "voice", "www", "blackbox_exporter", "log_shipper", "mysqld_exporter",
    "nginx_exporter", "node_exporter", "redis_exporter", "request_metrics",
    # Debian's packages have a file by this name in logrotate.d.
    "alternatives", "apt", "btmp", "certbot", "dpkg", "rsyslog", "ufw", "wtmp",
    # A pool of PHP-FPM by this name is ours, or is none; secrets by these names are ours.
    "chom", "global", "logs", "metrics", "page", "smtp",
})
# fmt: on
# Loki stores the lines of a target under its name; these mean something else there.
RESERVED_TARGETS = frozenset({"fake", "index", "shipper"})


# What browsers take for an email address, but without quotes, braces and bars: where the address
# is written to, a template would read them as its own.
_LOCAL = r"[A-Za-z0-9.!#$%&*+/=?^_~-]{1,64}"
_DOMAIN = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = rf"^{_LOCAL}@{_DOMAIN}(\.{_DOMAIN})*$"
_EMAIL_LENGTH = 254

_EXAMPLES = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")


def canonical_address(text: str) -> str:
    """The one spelling of an IP address or host name; ValueError if it is neither."""
    try:
        return str(ip_address(text))
    except ValueError:
        return _hostname(text)


def example_network(address: str) -> str | None:
    """The network reserved for documentation that an address lies in, if it does."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return next((network for network in _EXAMPLES if parsed in ip_network(network)), None)


def is_email(text: str) -> bool:
    """Whether this is an email address, as a setting would have it."""
    return len(text) <= _EMAIL_LENGTH and re.fullmatch(_EMAIL, text) is not None


def _hostname(text: str) -> str:
    labels = text.removesuffix(".").split(".")
    numeric = labels[-1].isdigit()
    if len(text) > 253 or numeric or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a host name")
    return text.lower()


def _application(text: str) -> str:
    if text in RESERVED_NAMES:
        raise ValueError("reserved")
    return text


def _target(text: str) -> str:
    if text in RESERVED_TARGETS:
        raise ValueError("reserved")
    return text


def _no_trailing_slash(url: str) -> str:
    return url.rstrip("/")


class Model(BaseModel):
    """A section: fixed once read, and strict, so that a typing mistake is never guessed at."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


# A section without content (`shop:`) says nothing, also where the defaults do not have it.
EMPTY_IS_FINE = BeforeValidator(lambda value: {} if value is None else value)


def setting(description: str, *, expected: str = "", remedy: str = "", **field: Any) -> Any:
    """A pydantic field that also knows what to tell an operator who got it wrong.

    expected: what is accepted, where types and limits do not say it.
    remedy: what to do; without one, a wrong value is to be corrected or removed.
    """
    advice = {"expected": expected, "remedy": remedy}
    return Field(description=description, json_schema_extra=dict(advice), **field)


ADDRESS = "an IPv4 address, an IPv6 address or a host name"
EMAIL = "an email address such as alerts@example.org"
SERVER_NAME = "host names separated by single spaces, or _ for every name"
PACKAGE_VERSION = 'pinned, latest, or a version in quotes, such as "3.7.6" or "1.18.1-1"'
PACKAGE_VERSION_MEANING = (
    "The version to install and to keep; pinned: that of configs/versions.yaml; latest: what the "
    "repository offers when it is installed."
)
# FPM writes its metrics page in OpenMetrics from 8.1 on, and listens for it apart from 8.0 on.
SINCE_PHP_8_1 = 'from "8.1" on: the FPM of older ones has no metrics page for Prometheus'
PHP_VERSION = f'a PHP version in quotes, such as "8.4", {SINCE_PHP_8_1}'
NAME = "a name of 1 to 31 small letters, digits and hyphens that begins with a letter"
URL = "a URL that begins with http:// or https://, without a user name or password"

Address = Annotated[str, AfterValidator(canonical_address)]
ApplicationName = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$"), AfterValidator(_application)
]
EmailAddress = Annotated[str, Field(pattern=_EMAIL, max_length=_EMAIL_LENGTH)]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9A-F]{40}$")]
GitHost = Annotated[
    str, Field(pattern=r"^([A-Za-z0-9.-]{1,253}|\[[A-Za-z0-9.:-]{1,253}\]:[0-9]{1,5})$")
]
HostKey = Annotated[
    str, Field(pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/=]+$")
]
Megabytes = Annotated[int, Field(ge=1, le=16_777_216)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$"), AfterValidator(_target)]
Network = Annotated[str, AfterValidator(lambda text: str(ip_network(text)))]
PathText = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$", max_length=4096)]
PackageVersion = Annotated[str, Field(pattern=r"^(pinned|latest|[0-9][A-Za-z0-9.+~:-]{0,99})$")]
PhpVersion = Annotated[str, Field(pattern=r"^(8\.[1-9]|9\.[0-9])$")]
Percent = Annotated[float, Field(gt=0, lt=100)]
PluginId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
ServerName = Annotated[str, Field(pattern=r"^(_|[A-Za-z0-9*.-]{1,253}( [A-Za-z0-9*.-]{1,253})*)$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# YAML 1.1 reads a bare off as false.
TlsMode = Annotated[
    Literal["off", "selfsigned", "letsencrypt"],
    BeforeValidator(
        lambda value: "off" if value is False else value,
        json_schema_input_type=Literal["off", "selfsigned", "letsencrypt", False],
    ),
]
# Control characters and line ends would reach the files that the name is written into.
UserName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$", max_length=320)]
Url = Annotated[
    str,
    Field(pattern=r"^https?://[A-Za-z0-9.:\[\]_-]+(/[!-~]*)?$", max_length=2048),
    AfterValidator(_no_trailing_slash),
]

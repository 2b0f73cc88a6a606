"""What becomes of each key of a version 4 inventory."""

import re

from configs.documents import Location

# Below a host: where the value goes, from the new target's own place.
MOVED: dict[Location, Location] = {
    ("ip",): ("address",),
    ("ssh_user",): ("ssh", "user"),
    ("ssh_port",): ("ssh", "port"),
    ("config", "retention_days"): ("settings", "prometheus", "retention_days"),
    ("config", "default_php"): ("settings", "php", "version"),
    ("config", "default"): ("settings", "php", "version"),
}

# The same below the observability host, which alone sends mail. It moves as a whole or not at all:
# a part of it would be refused, or would wait unseen for the rest.
MAIL_HOST = "observability"
MAIL: dict[Location, Location] = {
    ("config", "alertmanager_email"): ("settings", "alertmanager", "email_to"),
    ("config", "smtp", "host"): ("settings", "smtp", "host"),
    ("config", "smtp", "port"): ("settings", "smtp", "port"),
    ("config", "smtp", "user"): ("settings", "smtp", "username"),
    ("config", "smtp", "username"): ("settings", "smtp", "username"),
    ("config", "smtp", "from"): ("settings", "smtp", "sender"),
    ("config", "smtp", "sender"): ("settings", "smtp", "sender"),
}
OTHER_HOST = "the observability target alone sends mail"
NO_MAIL = {
    "server": "smtp.host names no mail server",
    "receiver": "alertmanager_email names nobody who would get it",
    "sender": "neither smtp.from nor smtp.user is an email address",
}
# What version 4 was delivered with: nobody has such a server or such a mailbox.
PLACEHOLDERS: dict[Location, str] = {
    ("ip",): "0.0.0.0",
    ("config", "alertmanager_email"): "alerts@example.com",
    ("config", "smtp", "host"): "smtp.example.com",
}
# These are text in this version, even if they look like a number.
TEXT = frozenset({"version", "host", "username", "sender"})

# Of these, a key covers all that is below it.
DROPPED: dict[Location, str] = {
    ("hostname",): "a target is known by its name and its address",
    ("specs",): "the hardware is detected, and never older than the last run",
    ("components",): "a role has its stack; version 4 never read this list",
    ("config", "grafana_domain"): "there is no setting for it: Grafana is not part of the stack",
    ("config", "alertmanager_email"): "there is no setting for it: an address is all there is",
    ("config", "smtp"): "there is no such setting for mail",
    ("config", "php_versions"): "a target has one PHP version, the default one of version 4",
    ("config", "observability_server"): "the targets of an inventory know each other",
}
DROPPED_AT_THE_TOP: dict[Location, str] = {
    ("log_collector",): "there is no setting for it: logs are not shipped",
}
# Wider than what this version's inventory refuses: a value too many in the encrypted file harms
# nobody, and what is not found here is dropped, never written.
SECRET = re.compile(
    r"pass(word|wd|phrase)?s?($|_)|pwd|secret|token|credential|api_?key|private_?key|webhook"
)
SECRET_TEXT = re.compile(r"://[^/@\s]*:[^/@\s]+@|-----BEGIN [A-Z ]*PRIVATE KEY")
# A name for one secret alone: what this version looks for is never another host's value.
SECRET_NAMES: dict[str, Location] = {
    "SMTP_PASSWORD": (MAIL_HOST, "config", "smtp", "password"),
}
UNKNOWN = "nothing in this version corresponds to it"
EMPTY = "it is empty"
PLACEHOLDER = "it is still the example that version 4 came with"


def why_dropped(location: Location, rules: dict[Location, str]) -> str:
    """The reason for the key itself or the nearest one above it."""
    for length in range(len(location), 0, -1):
        if location[:length] in rules:
            return rules[location[:length]]
    return UNKNOWN

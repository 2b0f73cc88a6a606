"""What becomes of each key of a version 4 inventory."""

import re

from configs.documents import Location

# Below a host: where the value goes, from the new target's own place.
MOVED: dict[Location, Location] = {
    ("ip",): ("address",),
    ("ssh_user",): ("ssh", "user"),
    ("ssh_port",): ("ssh", "port"),
    ("config", "retention_days"): ("settings", "prometheus", "retention_days"),
    ("config", "php_versions"): ("settings", "php", "versions"),
    ("config", "default_php"): ("settings", "php", "default"),
    ("config", "default"): ("settings", "php", "default"),
    ("config", "grafana_domain"): ("settings", "portal", "server_name"),
}
MOVED_AT_THE_TOP: dict[Location, Location] = {
    ("ssh_key_path",): ("ssh", "key"),
    ("log_collector",): ("settings", "logs", "shipper"),
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
    ("config", "grafana_domain"): "grafana.example.com",
    ("config", "alertmanager_email"): "alerts@example.com",
    ("config", "smtp", "host"): "smtp.example.com",
}
# These are text in this version, even if they look like a number.
TEXT = frozenset({"version", "host", "username", "sender", "default"})

# Of these, a key covers all that is below it.
DROPPED: dict[Location, str] = {
    ("hostname",): "a target is known by its name and its address",
    ("specs",): "the hardware is detected, and never older than the last run",
    ("components",): "a role has its stack; version 4 never read this list",
    ("config", "alertmanager_email"): "there is no setting for it: an address is all there is",
    ("config", "smtp"): "there is no such setting for mail",
    ("config", "observability_server"): "the targets of an inventory know each other",
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

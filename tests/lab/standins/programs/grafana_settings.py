"""Grafana's settings: `grafana.ini`, overridden by `GF_*` variables and by `cfg:` arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from configparser import ConfigParser
from configparser import Error as ParserError
from pathlib import Path

from .web import log

_DEFAULTS = {
    ("paths", "data"): "/var/lib/grafana",
    ("paths", "provisioning"): "/etc/grafana/provisioning",
    ("server", "protocol"): "http",
    ("server", "http_addr"): "",
    ("server", "domain"): "localhost",
    ("server", "http_port"): "3000",
    ("security", "admin_user"): "admin",
    ("security", "admin_password"): "admin",
    ("security", "disable_initial_admin_creation"): "false",
    ("auth.anonymous", "enabled"): "false",
    ("metrics", "enabled"): "true",
}
# The first section of the file has no name.
_UNNAMED = "default"


class SettingsError(Exception):
    """The settings cannot be read."""


class Settings:
    """The value of every setting that the stand-in heeds.

    Args:
        text: Of grafana.ini.
        environment: Its `GF_SECTION_KEY` variables win over the text.
        arguments: `cfg:section.key=value`, which win over both; `cfg:default.section.key=value`,
            over which both win.

    Raises:
        SettingsError: The text is no ini file, or names a file that cannot be read.
    """

    def __init__(
        self, text: str, environment: Mapping[str, str], arguments: Iterable[str] = ()
    ) -> None:
        self._text = _ini(text)
        self._environment = environment
        self._first, self._last = _overrides(arguments)
        for name in environment:
            if name.startswith("GF_") and name.endswith("__FILE"):
                log("warn", "only the container image reads such variables", variable=name)

    def get(self, section: str, key: str) -> str:
        """A value with all that it refers to put in; raises `SettingsError`."""
        value = expanded(self._plain(section, key), self._environment)
        # What stands in for it is of the same section.
        return re.sub(r"%\((\w+)\)s", lambda match: self.get(section, match[1]), value)

    def _plain(self, section: str, key: str) -> str:
        name = (section, key)
        variable = f"GF_{re.sub(r'[.-]', '_', section)}_{key}".upper()
        value = self._last.get(name)
        if value is None:
            value = self._environment.get(variable)
        if value is None:
            value = self._text.get(name, self._first.get(name, _DEFAULTS.get(name, "")))
        return value

    def is_on(self, section: str, key: str) -> bool:
        """Whether a switch is on."""
        return self.get(section, key).lower() in ("true", "1", "t", "yes", "on")


def expanded(value: str, environment: Mapping[str, str]) -> str:
    """The text with what it refers to put in; raises `SettingsError` for a file that is not."""

    def found(match: re.Match[str]) -> str:
        kind, name = match[1], match[2]
        if kind == "$__env":
            return environment.get(name, "")
        if kind == "$__file":
            try:
                return Path(name).read_text().strip()
            except OSError as error:
                raise SettingsError(f"failed to expand {match[0]}: {error}") from error
        return environment.get(name, "")

    return re.sub(r"(\$__env|\$__file|\$)\{([^}]*)\}", found, value)


def _ini(text: str) -> dict[tuple[str, str], str]:
    parser = ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=None)
    try:
        parser.read_string(f"[{_UNNAMED}]\n{text}")
    except ParserError as error:
        raise SettingsError(f"failed to parse grafana.ini: {error}") from error
    return {
        (section, key): _unquoted(value)
        for section in parser.sections()
        for key, value in parser.items(section)
    }


def _unquoted(value: str) -> str:
    for quotes in ('"""', '"', "`", "'"):
        if len(value) >= 2 * len(quotes) and value.startswith(quotes) and value.endswith(quotes):
            return value[len(quotes) : -len(quotes)]
    # Grafana takes what follows a blank and one of these for a comment.
    return re.split(r"\s[#;]", value, maxsplit=1)[0].strip()


def _overrides(
    arguments: Iterable[str],
) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], str]]:
    first: dict[tuple[str, str], str] = {}
    last: dict[tuple[str, str], str] = {}
    for argument in arguments:
        name, _, value = argument.removeprefix("cfg:").partition("=")
        weak = name.startswith("default.")
        section, _, key = name.removeprefix("default.").rpartition(".")
        (first if weak else last)[section, key] = value
    return first, last

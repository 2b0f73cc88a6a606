"""How a secret or a setting is written on a host, for each language that is read there.

Each function takes any text and returns the complete literal, quotes included, which its reader
turns into the same text. Templates have them as filters: ``password={{ password | option_file }}``.

A control character other than newline and tab, half of a surrogate pair and a noncharacter raise
ValueError: no reader takes all of them. That is the last line of defence; such a value is found
and reported as a Problem before any host is touched.
"""

import re
import shlex
from collections.abc import Callable, Mapping

from configs.secrets.secret import UNWRITABLE

_LIKE_C = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t"}
# MariaDB cuts lines of an option file at 4095 bytes; an option's name and = are among them.
_OPTION_LIMIT = 4000
# What Laravel's env() takes for a keyword, or for text in quotes that are not part of it.
_ENV_CHANGES = re.compile(r"""true|false|empty|null|\((true|false|empty|null)\)|(["']).*\2""", re.I)


def shell(value: str) -> str:
    """A word of POSIX ``sh`` ("Shell Command Language", Quoting)."""
    return shlex.quote(_writable(value))


def yaml(value: str) -> str:
    """A double-quoted scalar of YAML 1.1 and 1.2, the printable characters as they are."""
    text = _in_double_quotes(value, _LIKE_C)
    # Not \uXXXX in pairs, as JSON has it: YAML would read two characters.
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)


def alloy(value: str) -> str:
    """A string of Alloy's configuration ("Alloy configuration syntax"), which has Go's escapes."""
    return yaml(value)


def dotenv(value: str) -> str:
    """A value of a ``.env`` file as PHP's vlucas/phpdotenv 5 reads it, without interpolation."""
    text = _in_double_quotes(value, {each: f"\\{each}" for each in '\\"$'})
    # phpdotenv breaks a long word that follows an escape inside a character, so a newline stays
    # as it is; but it overlooks the closing quote of a line with nothing but backslashes before.
    return text.replace("\n\\", r"\n" + "\\")


def laravel_env(value: str) -> str:
    """The same for one that Laravel's ``env()`` returns ("Environment Variable Types").

    It takes ``null`` for no value and strips quotes, so that such a value needs quotes to strip.
    """
    return dotenv(f'"{value}"' if _ENV_CHANGES.fullmatch(value) else value)


def option_file(value: str) -> str:
    """A value in MariaDB's ``my.cnf`` ("Configuring MariaDB with Option Files").

    Raises ValueError if it is too long as well: the rest would be read as another option.
    """
    literal = _in_double_quotes(value, _LIKE_C)
    if len(literal.encode()) > _OPTION_LIMIT:
        raise ValueError(f"a value is longer than the {_OPTION_LIMIT} bytes of an option file")
    return literal


def sql(value: str) -> str:
    """A string of MariaDB ("String Literals"), also where its grammar has no expression.

    A backslash supposes the default ``sql_mode``, which is one without NO_BACKSLASH_ESCAPES.
    """
    return "'" + _replaced(value, {"'": "''", "\\": r"\\"}) + "'"


def sql_name(value: str) -> str:
    """The name of a database or the like in MariaDB ("Identifier Names")."""
    return "`" + _replaced(value, {"`": "``"}) + "`"


def redis(value: str) -> str:
    """An argument in ``redis.conf``, and in a line that ``redis-cli`` reads."""
    return _in_double_quotes(value, _LIKE_C)


def curl(value: str) -> str:
    """A parameter in a file of curl's options (``man curl``, ``--config``)."""
    return _in_double_quotes(value, _LIKE_C)


def systemd(value: str) -> str:
    """A value in an EnvironmentFile (``man systemd.exec``), where a newline stays as it is."""
    return _in_double_quotes(value, {each: f"\\{each}" for each in '\\"$`'})


def systemd_unit(value: str) -> str:
    """A word of ``ExecStart=`` and the like (``man systemd.service``, Command lines)."""
    return _in_double_quotes(value, {**_LIKE_C, "%": "%%", "$": "$$"})


QUOTINGS: Mapping[str, Callable[[str], str]] = {
    each.__name__: each
    for each in (
        shell,
        yaml,
        alloy,
        dotenv,
        laravel_env,
        option_file,
        sql,
        redis,
        curl,
        systemd,
        systemd_unit,
    )
}


def _in_double_quotes(value: str, escapes: Mapping[str, str]) -> str:
    return f'"{_replaced(value, escapes)}"'


def _replaced(value: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(each, each) for each in _writable(value))


def _writable(value: str) -> str:
    if found := UNWRITABLE.search(value):
        # The value itself may be a secret.
        raise ValueError(f"a value holds U+{ord(found[0]):04X}, which cannot be written everywhere")
    return value

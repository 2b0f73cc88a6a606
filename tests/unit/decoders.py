"""Readers of single literals, each written from the manual of its language and nothing else."""

from collections.abc import Callable, Iterator, Mapping

_COMMON = {"n": "\n", "t": "\t", "r": "\r", "b": "\b"}


def option_file(literal: str) -> str:
    """MariaDB, "Configuring MariaDB with Option Files", Option File Syntax."""
    return _read(literal, {**_COMMON, "s": " ", '"': '"', "'": "'", "\\": "\\"}, _kept)


def redis(literal: str) -> str:
    """The comment of ``sdssplitargs``, which reads both ``redis.conf`` and what is typed."""
    return _read(literal, {**_COMMON, "a": "\a"}, _dropped)


def curl(literal: str) -> str:
    """``man curl``, ``--config``: the escapes of a parameter in double quotes."""
    escapes = {"\\": "\\", '"': '"', "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
    return _read(literal, escapes, _dropped)


def sql(literal: str) -> str:
    """MariaDB, "String Literals", in the default ``sql_mode``."""
    escapes = {**_COMMON, "0": "\0", "Z": "\x1a", "%": r"\%", "_": r"\_"}
    return _read(literal, escapes, _dropped, quote="'")


def environment_file(literal: str) -> str:
    """``man systemd.exec``, EnvironmentFile=: as in a shell's double quotes, nothing expanded."""
    return _read(literal, {each: each for each in '"\\$`'} | {"\n": ""}, _kept)


def unit_word(literal: str) -> str:
    """``man systemd.service``, Command lines; ``man systemd.syntax``, Quoting."""
    escapes = {"a": "\a", "f": "\f", "v": "\v", "s": " ", "\\": "\\", '"': '"', "'": "'"}
    return _undoubled(_undoubled(_read(literal, _COMMON | escapes, _refused), "%"), "$")


def dotenv(literal: str) -> str:
    """phpdotenv 5: its README, and the states of its ``EntryParser``."""
    assert "$" not in literal.replace(r"\\", "").replace(r"\$", ""), "it is expanded"
    escapes = {"r": "\r", "f": "\f", "v": "\v", '"': '"', "\\": "\\", "$": "$"}
    return _read(literal, _COMMON | escapes, _refused)


def laravel_env(literal: str) -> str | bool | None:
    """Laravel 10, "Environment Variable Types", and its ``Env::get``, which strips quotes."""
    text = dotenv(literal)
    words: Mapping[str, str | bool | None] = {
        "true": True,
        "false": False,
        "empty": "",
        "null": None,
    }
    for word, value in words.items():
        if text.lower() in (word, f"({word})"):
            return value
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and "\n" not in text
    return text[1:-1] if quoted else text


def _read(
    literal: str, escapes: Mapping[str, str], unknown: Callable[[str], str], quote: str = '"'
) -> str:
    assert len(literal) > 1 and literal[0] == literal[-1] == quote
    return "".join(_characters(iter(literal[1:-1]), escapes, unknown, quote))


def _characters(
    rest: Iterator[str], escapes: Mapping[str, str], unknown: Callable[[str], str], quote: str
) -> Iterator[str]:
    for character in rest:
        if character == "\\":
            escaped = next(rest)
            yield escapes[escaped] if escaped in escapes else unknown(escaped)
        else:
            if character == quote:
                assert quote == "'" and next(rest) == quote, "it ends within"
            yield character


def _undoubled(text: str, mark: str) -> str:
    assert mark not in text.replace(mark * 2, ""), f"a single {mark} means something"
    return text.replace(mark * 2, mark)


def _kept(character: str) -> str:
    return f"\\{character}"


def _dropped(character: str) -> str:
    return character


def _refused(character: str) -> str:
    raise AssertionError(f"no such escape: \\{character}")

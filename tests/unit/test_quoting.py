"""Every literal reads as the value that it was made of, by the reader that there is here."""

import ast
import io
import subprocess
from collections.abc import Callable

import pytest
import yaml
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import quoting
from tasks.quoting import QUOTINGS
from tasks.templating import templates
from tests import nasty
from tests.unit import decoders

# All that may be written, and often what some language takes for its own.
anything = st.characters(exclude_categories=["Cc", "Cs", "Cn"], include_characters="\n\t")
values = st.text(nasty.ALPHABET, max_size=40) | st.text(anything, max_size=40)
# One run of a program for many values.
batches = st.lists(values, min_size=1, max_size=60)
DECODERS: dict[str, Callable[[str], object]] = {
    # Python has the same escapes as Go, but for some that are not written.
    "alloy": ast.literal_eval,
    "dotenv": decoders.dotenv,
    "laravel_env": decoders.laravel_env,
    "option_file": decoders.option_file,
    "sql": decoders.sql,
    "redis": decoders.redis,
    "curl": decoders.curl,
    "systemd": decoders.environment_file,
    "systemd_unit": decoders.unit_word,
}
ON_ONE_LINE = ["yaml", "alloy", "option_file", "redis", "curl", "systemd_unit"]


def through_sh(words: list[str]) -> list[str]:
    script = "printf '%s\\0' " + " ".join(words)
    done = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


def check_shell(batch: list[str]) -> None:
    assert through_sh([quoting.shell(value) for value in batch]) == batch


def check_systemd_in_sh(batch: list[str]) -> None:
    assert through_sh([quoting.systemd(value) for value in batch]) == batch


def check_yaml(batch: list[str]) -> None:
    text = "".join(f"- {quoting.yaml(value)}\n" for value in batch)
    assert yaml.load(text, yaml.SafeLoader) == batch
    assert yaml.load(text, yaml.CSafeLoader) == batch


def check_dotenv(batch: list[str]) -> None:
    """python-dotenv, where it agrees: it has no escape for a dollar sign, as it expands none."""
    agreed = {f"V{number}": value for number, value in enumerate(batch) if "$" not in value}
    text = "".join(f"{name}={quoting.dotenv(value)}\n" for name, value in agreed.items())
    assert dotenv_values(stream=io.StringIO(text), interpolate=False) == agreed


CHECKS = [check_shell, check_systemd_in_sh, check_yaml, check_dotenv]


@pytest.mark.parametrize("check", CHECKS)
def test_a_program_reads_what_is_known_to_be_hard(check: Callable[[list[str]], None]) -> None:
    check(nasty.values(500))


@pytest.mark.parametrize("check", CHECKS)
@settings(max_examples=30)
@given(batch=batches)
def test_a_program_reads_any_values(check: Callable[[list[str]], None], batch: list[str]) -> None:
    check(batch)


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_reads_what_is_known_to_be_hard(name: str) -> None:
    for value in nasty.values(500):
        assert DECODERS[name](QUOTINGS[name](value)) == value


@pytest.mark.parametrize("name", DECODERS)
@given(value=values)
def test_a_decoder_reads_any_value(name: str, value: str) -> None:
    assert DECODERS[name](QUOTINGS[name](value)) == value


@pytest.mark.parametrize("name", ON_ONE_LINE)
def test_what_is_read_by_lines_is_on_one(name: str) -> None:
    assert not [value for value in nasty.values(500) if "\n" in QUOTINGS[name](value)]


def test_a_line_of_phpdotenv_never_ends_a_value_early_or_late() -> None:
    """Its end is the first line with a quote after another character than a backslash."""
    assert quoting.dotenv("a\nb") == '"a\nb"'
    assert quoting.dotenv("a\n\\") == '"a\\n\\\\"'
    assert quoting.dotenv('a\n"') == '"a\\n\\""'


@pytest.mark.parametrize("name", QUOTINGS)
@pytest.mark.parametrize(
    "character", ["\0", "\x07", "\r", "\x1b", "\x7f", "\x85", "\ud800", "\ufffe", "\U0010ffff"]
)
def test_what_no_reader_takes_is_refused_and_not_shown(name: str, character: str) -> None:
    with pytest.raises(ValueError) as refused:
        QUOTINGS[name](f"secret{character}")
    assert f"U+{ord(character):04X}" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_what_an_option_file_would_cut_is_refused() -> None:
    fits = "\u20ac" * 1332 + "ab"
    assert decoders.option_file(quoting.option_file(fits)) == fits
    with pytest.raises(ValueError, match="4000 bytes"):
        quoting.option_file(fits + "c")


@pytest.mark.parametrize("name", QUOTINGS)
def test_templates_have_it_as_a_filter(name: str) -> None:
    value = 'it\'s 100% "$HOME" \\n'
    rendered = templates.from_string(f"{{{{ value | {name} }}}}").render(value=value)
    assert rendered == QUOTINGS[name](value)

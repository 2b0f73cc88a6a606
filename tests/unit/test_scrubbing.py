"""Whatever is printed or kept passes here: no secret in it, however it is written."""

import base64
import html
import io
import json
import logging
import shlex
import sys
import urllib.parse
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from state.scrubbing import ScrubbedStream, Scrubber, disguises
from tasks.quoting import QUOTINGS

NASTY = "p\"a's$w`o\\r%d é/+ "
printable = st.text(st.characters(exclude_categories=["C"]), min_size=6, max_size=40)


def scrubber(value: str) -> Scrubber:
    return Scrubber({"THE_SECRET": value}, QUOTINGS.values())


@pytest.mark.parametrize(
    "written",
    [
        NASTY,
        urllib.parse.quote(NASTY),
        urllib.parse.quote_plus(NASTY),
        json.dumps(NASTY),
        json.dumps(NASTY, ensure_ascii=False),
        json.dumps({"output": [json.dumps(NASTY)]}),
        repr(NASTY),
        repr([NASTY]),
        shlex.quote(NASTY),
        f"echo '{NASTY.replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39))}'",
        html.escape(NASTY),
        NASTY.encode().hex(),
        *(quote(NASTY) for quote in QUOTINGS.values()),
    ],
)
def test_every_way_to_write_it_is_found(written: str) -> None:
    said = scrubber(NASTY).scrub(f"before {written} after")
    assert said.startswith("before ") and said.endswith(" after")
    assert "[secret THE_SECRET]" in said
    assert NASTY[1:-1] not in said


@given(printable, st.text(max_size=7), st.text(max_size=7))
@settings(max_examples=150)
def test_base64_is_found_wherever_it_begins(value: str, before: str, after: str) -> None:
    encoded = base64.b64encode(f"{before}{value}{after}".encode()).decode()
    inner = [each for each in disguises(value) if each in encoded]
    assert inner, encoded
    # At most the characters at both ends are decided by what is beside the value.
    assert len(max(inner, key=len)) >= len(value.encode()) * 8 // 6 - 2


@given(printable)
@settings(max_examples=150)
def test_no_secret_survives_printing(value: str) -> None:
    texts = [value, repr(value), json.dumps(value), yaml.safe_dump({"x": value}, width=9999)]
    said = scrubber(value).scrub("\n".join(texts))
    assert value not in said or value in "[secret THE_SECRET]"


def test_lines_of_a_long_secret_are_found_alone() -> None:
    key = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2Vw\nBCIEIJ8xtvd0\n-----END KEY-----\n"
    said = scrubber(key).scrub("error near: MC4CAQAwBQYDK2Vw")
    assert said == "error near: [secret THE_SECRET]"


def test_a_secret_within_another_leaves_nothing_of_it() -> None:
    both = Scrubber({"SHORT": "password", "LONG": "password-of-mine"})
    assert both.scrub("password-of-mine, password") == "[secret LONG], [secret SHORT]"


def test_values_are_scrubbed_in_data_and_keys_stay() -> None:
    data = {"status": "failed", "output": ["a geheimnis b", 3, None, {"geheimnis": "geheimnis"}]}
    assert Scrubber({"S": "geheimnis"}).scrub_values(data) == {
        "status": "failed",
        "output": ["a [secret S] b", 3, None, {"geheimnis": "[secret S]"}],
    }


def test_a_secret_that_comes_in_pieces_does_not_get_through() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(ScrubbedStream(raw, Scrubber({"S": "geheimnis"})))  # type: ignore[type-var]
    for piece in ("it is geh", "eim", "nis\nand ", "more"):
        stream.write(piece)
    assert raw.getvalue() in (b"", b"it is [secret S]\n")
    stream.flush()
    assert raw.getvalue() == b"it is [secret S]\nand more"


def test_bytes_that_are_no_text_pass_unchanged() -> None:
    raw = io.BytesIO()
    stream = ScrubbedStream(raw, Scrubber({"S": "geheimnis"}))
    stream.write(b"\xff\xfe geheimnis \x80\n")
    assert raw.getvalue() == b"\xff\xfe [secret S] \x80\n"


def test_handlers_that_were_made_before_are_guarded_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        logger = logging.getLogger("chom.test")
        handler = logging.StreamHandler()
        logger.addHandler(handler)
        try:
            Scrubber({"S": "geheimnis"}).guard_streams()
            logger.error("from a handler: %s", "geheimnis")
            print("from print: geheimnis")
            sys.stdout.buffer.write(b"from bytes: geheimnis\n")
            sys.stdout.flush()
        finally:
            logger.removeHandler(handler)
    assert (tmp_path / "err").read_text() == "from a handler: [secret S]\n"
    assert (tmp_path / "out").read_text() == "from print: [secret S]\nfrom bytes: [secret S]\n"

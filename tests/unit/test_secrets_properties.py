"""Any value, under any name, comes back as it was: sealed, through dotenv, through an editor."""

import string
import tempfile
from pathlib import Path

from dotenv import dotenv_values
from hypothesis import example, given
from hypothesis import strategies as st

from configs.secrets import plain
from configs.secrets.cipher import Key, Unsealable
from configs.secrets.files import write_whole
from configs.secrets.keys import Found
from configs.secrets.sheet import Sheet, read
from configs.secrets.store import Store

KEY = Key.new()
CAPITALS = string.ascii_uppercase
names = st.builds(
    str.__add__, st.sampled_from(CAPITALS), st.text(CAPITALS + string.digits + "_", max_size=20)
)
# All of Unicode but halves of pairs, and often what dotenv or a shell would take for its own.
special = st.text("'\"$\\{}%#`!=-; \t\n\r\u00fc\u20ac\U0001f511abn", min_size=1, max_size=40)
values = special | st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(names, values)
def test_a_sealed_value_opens_under_its_name(name: str, value: str) -> None:
    assert KEY.unseal(name, KEY.seal(name, value)) == value


@given(names, names, values)
def test_a_sealed_value_opens_under_no_other_name(name: str, other: str, value: str) -> None:
    token = KEY.seal(name, value)
    if name == other:
        return
    try:
        KEY.unseal(other, token)
    except Unsealable as error:
        assert error.actual == name
    else:
        raise AssertionError("it opened")


@given(names, values, st.data())
def test_a_changed_token_never_opens_as_another_value(
    name: str, value: str, data: st.DataObject
) -> None:
    token = KEY.seal(name, value)
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_=\u00fc "))
    try:
        opened = KEY.unseal(name, token[:place] + character + token[place + 1 :])
    except Unsealable:
        return
    assert opened == value  # the last character of base64 has bits that nobody reads


@given(st.dictionaries(names, values, max_size=6))
@example({"A": "x\\", "B": "'", "C": "--flag", "D": "$HOME ${HOME} $(id) 100%", "E": "a #b"})
def test_values_come_back_through_the_file_and_dotenv(secrets: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ".secrets.env"
        empty = Sheet(path).keyed(KEY.id, None)
        write_whole(path, empty.text)
        Store(empty, Found(KEY, "a test")).write(dict(secrets))
        tokens = dotenv_values(path, interpolate=False)
        opened = Store(read(path), Found(KEY, "a test")).secrets()
    assert {name: KEY.unseal(name, str(token)) for name, token in tokens.items()} == secrets
    assert {name: secret.reveal() for name, secret in opened.items()} == secrets


@given(st.dictionaries(names, values, max_size=6))
@example({"A": "x\\", "B": "it's", "C": "\\'", "D": "\r\n"})
def test_values_come_back_from_the_editor(secrets: dict[str, str]) -> None:
    assert plain.parse(plain.render(secrets)) == secrets


@given(st.dictionaries(names, values, min_size=1, max_size=6), st.data())
def test_a_change_leaves_every_other_line(secrets: dict[str, str], data: st.DataObject) -> None:
    tokens = {name: KEY.seal(name, value) for name, value in secrets.items()}
    sheet = Sheet(Path("x")).keyed(KEY.id, None).changed(dict(tokens))
    name = data.draw(st.sampled_from(sorted(secrets)))
    after = sheet.changed({name: "gAAAA"}).text.splitlines()
    before = sheet.text.splitlines()
    assert [line for line in before if not line.startswith(f"{name}=")] == [
        line for line in after if line != f"{name}=gAAAA"
    ]
    assert name not in {entry.name for entry in sheet.changed({name: None}).entries()}

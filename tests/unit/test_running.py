"""The text of a record that goes on says what the record says, without secrets."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.secrets.providing import SHORTEST
from state.record import Component, Error, Resource, Target
from state.running import running_text
from state.scrubbing import Scrubber
from tests.unit.test_record import record

SECRETS = {"PLAIN": "correct-horse", "ODD": 'a"b\\c\nd ü</', "SHORT": "x" * SHORTEST}
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from([*SECRETS.values(), *(f"/etc/{each}/x" for each in SECRETS.values())]),
)
RESOURCES = st.lists(st.builds(Resource, kind=TEXTS, name=TEXTS), max_size=3)
COMPONENTS = st.builds(
    Component, version=TEXTS, reason=TEXTS, created=RESOURCES, removed=RESOURCES, changed=st.just(3)
)
TARGETS = st.builds(
    Target,
    role=st.just("vpsmanager"),
    address=TEXTS,
    error=st.none() | st.builds(Error, stage=st.just("deploy"), message=TEXTS),
    components=st.dictionaries(st.sampled_from(["base", "nginx", "a b"]), COMPONENTS),
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["web", "watcher"]), TARGETS), TEXTS)
def test_it_says_what_the_whole_record_says(targets: dict[str, Target], message: str) -> None:
    made = record(targets=targets, message=message)
    scrubber = Scrubber(SECRETS)
    text = running_text(made, scrubber)
    assert text.endswith("\n") and text.count("\n") == 1
    # It is signed when it is closed.
    whole = made.model_dump(mode="json", exclude={"signature"})
    assert json.loads(text) == scrubber.scrub_values(whole)
    assert not any(value in text for value in SECRETS.values())


@pytest.mark.parametrize("value", SECRETS.values())
def test_a_component_that_changed_is_made_again(value: str) -> None:
    component = Component(version="1")
    made = record(targets={"web": Target(role="vpsmanager", address="10.0.0.1")})
    made.targets["web"].components["base"] = component
    scrubber = Scrubber(SECRETS)
    for version in ("1", value, "2"):
        component.version = version
        told = json.loads(running_text(made, scrubber))
        assert told["targets"]["web"]["components"]["base"]["version"] == scrubber.scrub(version)

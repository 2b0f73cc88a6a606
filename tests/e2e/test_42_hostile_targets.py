"""Root on one target reaches neither another target nor the controller."""

import base64
import gzip
import json
import re
import resource
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from facts.records import FOLDER
from state.sealing import seal_of
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import changed

TAKEN, OTHER = "vpsmanager", "observability"
CANARY = "/root/PWNED"
SERVICE = f"zz$(id>{CANARY}).service"
PAST, FUTURE = "20250101-000000-aaaaaa", "20990101-000000-aaaaaa"
MAX_GROWTH_MB = 50


def forged(platform: Platform, deployment_id: str) -> bytes:
    """A record of another target with a hostile name, as root on a target can write it."""
    data = platform.project.record().model_dump(mode="json", exclude={"signature"})
    data |= {"deployment_id": deployment_id, "version": "5.1", "previous": None}
    hostile = {"kind": "services", "name": SERVICE}
    for target in data["targets"].values():
        target["components"]["base"]["created"] = [hostile]
        target["resources_created"]["services"] = [SERVICE]
    data["seal"] = seal_of(data)
    return (json.dumps(data, indent=2) + "\n").encode()


@contextmanager
def planted(platform: Platform, deployment_id: str, packed: bytes) -> Iterator[None]:
    """Put a copy into the folder of the target that was taken over."""
    path = f"{FOLDER}/{deployment_id}.json.gz"
    text = base64.b64encode(packed).decode()
    platform.lab.run(TAKEN, f"base64 -d > {path}", input=text)
    try:
        yield
    finally:
        answer(platform.lab, TAKEN, f"rm -f {path}")


def copies(platform: Platform, machine: str) -> str:
    return answer(platform.lab, machine, f"ls {FOLDER}")


def nothing_ran(platform: Platform) -> None:
    for machine in platform.lab.machines:
        found = answer(platform.lab, machine.name, f"[ ! -e {CANARY} ] && echo nothing")
        assert found.strip() == "nothing", machine.name


@pytest.mark.parametrize("arguments", [("--dry",), ("-y",)], ids=" ".join)
def test_a_foreign_record_is_named_and_goes_nowhere(
    deployed: Platform, arguments: tuple[str, ...]
) -> None:
    current = deployed.project.record().deployment_id
    with planted(deployed, PAST, gzip.compress(forged(deployed, PAST))):
        outcome = deployed.project.deploy(*arguments)
        assert outcome.code == 0, outcome
        assert f"the copy of {PAST} on {TAKEN} is not signed: it is left alone" in outcome.text
        assert SERVICE not in outcome.text
        assert not (deployed.project.state / "history" / f"{PAST}.json").exists()
        assert PAST not in copies(deployed, OTHER)
        nothing_ran(deployed)
        for path in (deployed.project.state / "questions").iterdir():
            assert CANARY not in path.read_text()
    if arguments == ("-y",):
        assert changed(deployed.project.record()) == {}
        assert deployed.project.record().deployment_id > current


def test_a_future_record_is_not_taken(deployed: Platform) -> None:
    with planted(deployed, FUTURE, gzip.compress(forged(deployed, FUTURE))):
        outcome = deployed.project.state_command("sync")
        assert outcome.code == 1, outcome
        text = " ".join(outcome.text.split())
        assert f"the copy of {FUTURE} on {TAKEN} is not signed: it is left alone" in text
        assert f"accept {FUTURE} --from {TAKEN}" in text
        link = (deployed.project.state / "current.json").resolve()
        assert link.stem == deployed.project.record().deployment_id != FUTURE
        assert FUTURE not in copies(deployed, OTHER)
    verdict = deployed.project.state_command("verify", "--json")
    told = json.loads(verdict.out)
    assert told["ok"] and told["signatures"] is True, verdict


def test_a_record_that_was_put_into_the_history_is_named(deployed: Platform) -> None:
    path = deployed.project.state / "history" / f"{PAST}.json"
    path.write_bytes(forged(deployed, PAST))
    try:
        verdict = json.loads(deployed.project.state_command("verify", "--json").out)
        [finding] = [each for each in verdict["findings"] if each["deployment_id"] == PAST]
        assert finding["kind"] == "not signed" and not verdict["ok"]
        outcome = deployed.project.deploy("-y")
        assert outcome.code == 0, outcome
        assert f"{PAST} is not signed: it is left alone" in outcome.text
        assert PAST not in copies(deployed, OTHER) + copies(deployed, TAKEN)
        nothing_ran(deployed)
    finally:
        path.unlink()


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(b'{"a":[' + b"[]," * 2_200_000 + b"[]]}", 0),
        gzip.compress(b"[" * 300_000_000),
    ],
    ids=["6.5 MB", "bomb"],
)
def test_a_huge_record_does_not_grow_the_controller(deployed: Platform, packed: bytes) -> None:
    """The largest of all children that have ended is told by the system."""
    before = growth(deployed)
    with planted(deployed, PAST, packed):
        grown = growth(deployed)
        outcome = deployed.project.state_command("sync")
        assert re.search(
            f"{PAST} on {TAKEN} is larger than any record", " ".join(outcome.text.split())
        )
    assert grown - before <= MAX_GROWTH_MB, (before, grown)


def growth(platform: Platform) -> int:
    """The most memory, in MB, that any command of this process has had by now."""
    outcome = platform.project.deploy("--dry")
    assert outcome.code == 0, outcome
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


@pytest.mark.parametrize("arguments", [("--dry",), ("-y",)], ids=" ".join)
def test_a_command_in_the_file_of_questions_is_not_run(
    deployed: Platform, arguments: tuple[str, ...]
) -> None:
    command = f"id > {CANARY}"
    condition = {
        "fact": "facts.conditions.Condition",
        "arguments": json.dumps({"shell": command}),
    }
    path = deployed.project.state / "questions" / f"{TAKEN}.json"
    whole = json.loads(path.read_text())
    texts: list[Any] = [
        {"version": 1, "before": [{"text": command}], "during": [{"text": command}]},
        {**whole, "during": [condition, *whole["during"]]},
    ]
    for text in texts:
        path.write_text(json.dumps(text))
        outcome = deployed.project.deploy(*arguments)
        assert outcome.code == 0, outcome
        nothing_ran(deployed)
    assert deployed.project.deploy("-y").code == 0
    assert command not in path.read_text() and shlex.quote(command) not in path.read_text()

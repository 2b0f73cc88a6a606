"""When a deployment is verified at its end."""

import pytest

from state.record import Component, Record, Target
from state.verifying import is_due
from tests.unit.test_record import record

ONE, TWO = "20260101-000000-000001", "20260101-000000-000002"


def deployed(**statuses: str) -> Record:
    """A deployment that changed something on each target, and ended as said there."""
    made = record(TWO)
    made.targets = {
        name: Target.model_validate(
            {
                "role": "vpsmanager",
                "address": "203.0.113.20",
                "status": status,
                "components": {"releases": Component(changed=1).model_dump()},
            }
        )
        for name, status in statuses.items()
    }
    return made


def test_what_changed_is_verified() -> None:
    assert is_due(deployed(web="completed"), None, whole=True)


def test_a_target_that_failed_keeps_all_from_being_verified(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not is_due(deployed(web="failed", other="completed"), None, whole=True)
    assert "Not verified: not every target was completed" in capsys.readouterr().err


def test_a_target_on_which_one_application_failed_is_verified() -> None:
    found = deployed(web="failed", other="completed")
    assert is_due(found, None, whole=True, partial={"web"})
    assert not is_due(found, None, whole=True, partial={"other"})

"""The platform under test: a lab's machines, and the project to deploy to them from."""

from collections.abc import Mapping
from typing import Any

from state.record import Record
from tests.e2e.command import Outcome
from tests.e2e.project import LIMIT_S, Project
from tests.lab import Lab


class Platform:
    """Keeps track of whether the machines are as the lab's plain inventory wants them.

    A test that needs them so asks for ``settle`` (the fixture ``deployed`` does); a test that
    leaves them otherwise, or might, says ``unsettle`` first.
    """

    def __init__(self, lab: Lab, project: Project) -> None:
        self.lab = lab
        self.project = project
        self._settled = False
        self._suspect = False

    def settle(self) -> None:
        """Deploy the plain inventory, unless that was done and nothing has come in between."""
        if self._suspect:
            self.refresh()
        if not self._settled:
            self.converge()

    def unsettle(self) -> None:
        """Say that the machines are about to differ from the plain inventory."""
        self._settled = False

    def suspect(self) -> None:
        """Say that a test failed: had it unsettled the machines, only fresh ones will do."""
        self._suspect = not self._settled

    def refresh(self) -> None:
        """Give the machines fresh disks."""
        self.unsettle()
        self.lab.reset()
        self._suspect = False

    def deploy(
        self, changes: Mapping[str, Any] | None = None, timeout_s: float = LIMIT_S
    ) -> Outcome:
        """Deploy the inventory with ``changes``, whatever comes of it."""
        self.unsettle()
        outcome = self.project.deploy(changes=changes, timeout_s=timeout_s)
        self._settled = outcome.code == 0 and not changes
        return outcome

    def converge(self, changes: Mapping[str, Any] | None = None) -> Record:
        """The same, which must succeed; returns the record."""
        outcome = self.deploy(changes)
        assert outcome.code == 0, outcome
        return self.project.record()

    def address(self, machine: str) -> str:
        """A machine's address."""
        return self.lab.machine(machine).address

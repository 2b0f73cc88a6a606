"""What is found out of the targets before anything changes, and told once, of all of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from configs import Target
from configs.findings import Finding
from state import console
from state.preflight_report import print_findings, print_report
from state.record import Error, Stage
from state.store import Store, was_interrupted


class Preflight:
    """``errors``: target → why it cannot be deployed to. ``findings``: target → all that was found.

    ``hardware``: target → what its machine is. ``told``: the id of a deployment that was
    interrupted, once that was told. ``brief``: the findings are told, and no more.
    """

    def __init__(self, targets: Sequence[Target], store: Store, brief: bool) -> None:
        self.findings: dict[str, list[Finding]] = {}
        self.errors: dict[str, Error] = {}
        self.hardware: dict[str, Mapping[str, Any] | None] = {}
        self.told: str | None = None
        self._targets = targets
        self._store = store
        self._brief = brief
        self._reported = False

    def find(self, name: str, stage: Stage, findings: Sequence[Finding]) -> None:
        """Keep what is found of a target, and why it cannot be deployed to, if so."""
        self.findings.setdefault(name, []).extend(findings)
        if failed := [each for each in findings if not each.warning]:
            self.errors[name] = Error(
                stage=stage,
                message="; ".join(map(str, failed)),
                remedy="; ".join(each.remedy for each in failed),
            )

    def note_machine(
        self, name: str, hardware: Mapping[str, Any] | None, awaited: Iterable[str]
    ) -> None:
        """Keep what a machine is; all is told once that is known of all ``awaited`` targets."""
        self.hardware[name] = hardware
        if set(self.hardware) >= {*awaited}:
            self.report()

    def report(self) -> None:
        """Say, once, what was found out of all targets."""
        if self._reported:
            return
        self._reported = True
        if self._brief:
            print_findings(self.findings)
            return
        known = self.hardware.keys() | self.errors.keys()
        names = [each.name for each in self._targets if each.name in known]
        machines = {name: self.hardware.get(name) for name in names}
        findings = {name: self.findings.get(name, []) for name in names}
        print_report(machines, findings, self._notes())

    def _notes(self) -> list[str]:
        """What is said of the last deployment, where it did not come to its end."""
        last = self._store.last()
        if last is None or not was_interrupted(last):
            return []
        self.told = last.deployment_id
        until = f"interrupted at {last.completed_at}" if last.completed_at else "cut off"
        begun = f"the last {last.action} {last.deployment_id}, begun at {last.started_at}"
        return [f"{begun}, was {until}; a deploy goes on from there"]

    def end_without_targets(self) -> NoReturn:
        """Say that none is left; raises SystemExit."""
        self.report()
        console.say("--> No target can be deployed to; nothing was changed", fg="red", bold=True)
        raise SystemExit(1)

    @property
    def warnings(self) -> list[str]:
        """What is worth knowing and stops nothing, in a line each."""
        return [
            f"{name}: {each}; {each.remedy}"
            for name, its in self.findings.items()
            for each in its
            if each.warning
        ]

"""What was checked as JUnit's XML, which CI systems show as tests.

One suite for each target and phase: preflight, deploy (its components), verify. A check has no
time of its own, so that it counts 0 s; a component has the whole seconds of the record.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree

from state.columns import printable
from state.record import Check, Component, Error, Record
from state.writing import write_atomically

NAME = "chom-deploy"
_ILLEGAL = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Finding(Protocol):
    """A check of the preflight that did not pass, or (``warning``) a thing to know."""

    @property
    def check(self) -> str: ...
    @property
    def warning(self) -> bool: ...
    @property
    def remedy(self) -> str: ...
    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Case:
    """One check. ``failure``: why it failed. ``skipped``: why it was not done. ``note``: more."""

    name: str
    failure: str = ""
    remedy: str = ""
    skipped: str = ""
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Suite:
    """What was checked of one target in one phase."""

    target: str
    phase: str
    cases: Sequence[Case] = field(default_factory=list)


def suites(
    targets: Sequence[str],
    errors: Mapping[str, Error],
    findings: Mapping[str, Sequence[Finding]],
    checks: Mapping[str, Sequence[Check]],
    record: Record | None,
) -> list[Suite]:
    """The suites of a run with these targets; ``errors``: of those that failed."""
    found = []
    for name in targets:
        error = errors.get(name)
        found.append(Suite(name, "preflight", list(_preflight(error, findings.get(name)))))
        components = record.targets[name].components if record and name in record.targets else {}
        if components:
            found.append(Suite(name, "deploy", list(_components(components, error))))
        found.append(Suite(name, "verify", list(_checks(checks.get(name, ()), error))))
    return found


def _preflight(error: Error | None, findings: Sequence[Finding] | None) -> Iterator[Case]:
    if error and error.stage == "connect":
        yield Case("connection", error.message, error.remedy or "")
        yield Case("machine", skipped="there is no connection")
        return
    yield Case("connection")
    for each in findings or ():
        if each.warning:
            yield Case(each.check, note=f"{each}; {each.remedy}")
        else:
            yield Case(each.check, str(each), each.remedy)
    failed = any(not each.warning for each in findings or ())
    if error and error.stage in ("preflight", "prepare") and not failed:
        yield Case("preparation", error.message, error.remedy or "")
    elif findings is None:
        yield Case("machine", skipped="nothing was to be deployed")
    elif not failed:
        yield Case("machine")


def _components(components: Mapping[str, Component], error: Error | None) -> Iterator[Case]:
    for name, each in components.items():
        seconds = _seconds(each.started_at, each.completed_at)
        if each.status == "completed":
            note = f"{each.changed} changed, {each.unchanged} unchanged"
            yield Case(name, note=note, seconds=seconds)
        elif each.status == "failed":
            mine = error if error and error.component == name else None
            message = "\n".join([mine.message, *mine.output]) if mine else "it failed"
            yield Case(name, message, (mine and mine.remedy) or "", seconds=seconds)
        else:
            yield Case(name, skipped=each.reason or each.status)


def _checks(checks: Sequence[Check], error: Error | None) -> Iterator[Case]:
    for each in checks:
        yield Case(each.name, each.problem, each.remedy)
    if not checks:
        reason = "the target failed before" if error else "not verified in this run"
        yield Case("verification", skipped=reason)


def _seconds(start: str | None, end: str | None) -> float:
    if not start or not end:
        return 0.0
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def to_xml(found: Sequence[Suite], started_at: datetime, scrub: Callable[[str], str]) -> str:
    """The document; ``scrub`` takes secrets out of all texts."""

    def clean(text: str) -> str:
        return _ILLEGAL.sub("", printable(scrub(text)))

    cases = [case for suite in found for case in suite.cases]
    root = ElementTree.Element("testsuites", {"name": NAME, **_counts(cases)})
    for suite in found:
        element = ElementTree.SubElement(
            root,
            "testsuite",
            {
                "name": clean(f"{suite.target} {suite.phase}"),
                **_counts(suite.cases),
                "timestamp": started_at.strftime("%Y-%m-%dT%H:%M:%S"),
            },
        )
        for case in suite.cases:
            _add(element, suite, case, clean)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def write(path: Path, document: str) -> None:
    """Raises OSError."""
    write_atomically(path.absolute(), document)


def _add(
    suite_element: ElementTree.Element, suite: Suite, case: Case, clean: Callable[[str], str]
) -> None:
    names = {"name": clean(case.name), "classname": clean(f"{suite.target}.{suite.phase}")}
    element = ElementTree.SubElement(
        suite_element, "testcase", {**names, "time": f"{case.seconds:.3f}"}
    )
    if case.failure:
        message = clean(case.failure.splitlines()[0])
        failure = ElementTree.SubElement(
            element, "failure", {"message": message, "type": suite.phase}
        )
        failure.text = clean(case.failure + (f"\ndo: {case.remedy}" if case.remedy else ""))
    elif case.skipped:
        ElementTree.SubElement(element, "skipped", {"message": clean(case.skipped)})
    if case.note:
        ElementTree.SubElement(element, "system-out").text = clean(case.note)


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(bool(each.failure) for each in cases)),
        "errors": "0",
        "skipped": str(sum(bool(each.skipped) for each in cases)),
        "time": f"{sum(each.seconds for each in cases):.3f}",
    }

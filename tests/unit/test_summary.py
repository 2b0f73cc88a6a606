"""The last words of a run, for people and in Markdown."""

from pathlib import Path
from typing import Any

import pytest

from state import markdown
from state.outcome import Outcome, new_versions
from state.record import Component, Error, Record, Target
from state.store import Store
from state.summary import print_summary
from state.timings import Timed, Timings
from tests.unit.histories import deployed
from tests.unit.test_record import record as blank

AGAIN = {"web": "pyinfra inventory.py deploy.py --limit web -y", "db": "pyinfra … --limit db"}
ERROR = Error(
    stage="deploy",
    message="its command failed",
    component="nginx",
    operation="Service nginx",
    output=["nginx.service: it failed to start", "bind: Address already in use | *x*"],
    remedy="stop the other program; then run this target again: " + AGAIN["web"],
)


def component(changed: int = 0, version: str | None = None, **fields: Any) -> Component:
    return Component(status="completed", changed=changed, version=version, **fields)


def outcome(targets: dict[str, Target], **fields: Any) -> Outcome:
    found = blank()
    found.targets = targets
    found.status = "failed" if any(each.error for each in targets.values()) else "completed"
    found.duration_s = fields.pop("duration_s", 75.4)
    timings = Timings()
    timings.lanes = {name: 12.34 for name in targets}
    timings.operations = fields.pop("operations", [])
    given = {"urls": {}, "warnings": [], "versions": {}, **fields}
    return Outcome(found, Path("history/x.json"), timings=timings, **given)


def target(error: Error | None = None, /, **components: Component) -> Target:
    status: Any = "failed" if error else "completed"
    return Target(role="web", address="10.0.0.1", status=status, error=error, components=components)


def printed(found: Outcome, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_summary(found, AGAIN)
    return capsys.readouterr().err.splitlines()


def test_a_run_that_changed_something_tells_all(capsys: pytest.CaptureFixture[str]) -> None:
    operations = [Timed(number / 2, "web", "base", f"op {number}") for number in range(10)]
    found = outcome(
        {"web": target(base=component(11), grafana=component(19), php=component())},
        urls={"web": ["http://10.0.0.1/"]},
        versions={"web": ["grafana 12.2.0 → 12.3.0"]},
        operations=operations,
        warnings=["look here"],
    )
    lines = printed(found, capsys)
    assert lines[:4] == [
        "",
        f"--> Deployment {found.record.deployment_id} completed in 75.4 s",
        "    web  completed: 3 of 3 components, 30 changes, 12.3 s",
        "    web  changed: base 11, grafana 19",
    ]
    assert lines[4:] == [
        "    web  versions: grafana 12.2.0 → 12.3.0",
        *[f"    web  took {n / 2:.1f} s: base | op {n}" for n in (9, 8, 7, 6, 5)],
        "    note: look here",
        "    record: history/x.json",
        "    look at: http://10.0.0.1/",
        "    password: python -m configs secrets get GRAFANA_ADMIN_PASSWORD",
        "    next: pyinfra inventory.py verify.py; python -m state show current",
    ]


def test_a_run_that_changed_nothing_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    found = outcome(
        {"web": target(base=component(), grafana=component())},
        urls={"web": ["http://10.0.0.1/"]},
        duration_s=3.4,
        operations=[Timed(2.0, "web", "base", "op")],
    )
    assert printed(found, capsys)[1:] == [
        f"--> Deployment {found.record.deployment_id} completed in 3.4 s",
        "    web  completed: 2 of 2 components, 0 changes, 12.3 s",
        "    record: history/x.json",
        "    next: pyinfra inventory.py verify.py; python -m state show current",
    ]


def test_without_grafana_no_password_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    found = outcome({"web": target(base=component(1))})
    assert not any("password" in line for line in printed(found, capsys))


def test_the_cause_of_a_failure_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    unreachable = Error(stage="connect", message="timed out", remedy="see that it is up")
    failed = Component(status="failed")
    found = outcome({"web": target(ERROR, nginx=failed), "db": target(unreachable)})
    lines = printed(found, capsys)
    assert lines[1:6] == [
        "--> web failed (deploy): nginx · Service nginx",
        "    its command failed",
        "    | nginx.service: it failed to start",
        "    | bind: Address already in use | *x*",
        f"    do: {ERROR.remedy}",
    ]
    assert lines[7:11] == [
        "--> db failed (connect)",
        "    timed out",
        "    do: see that it is up",
        f"    again: {AGAIN['db']}",
    ]
    assert "failed in 75.4 s" in lines[12]


def test_a_long_list_is_broken_between_its_items(capsys: pytest.CaptureFixture[str]) -> None:
    components = {f"component_{number}": component(number + 1) for number in range(20)}
    lines = printed(outcome({"web": target(**components)}), capsys)
    [first, *more] = [line for line in lines if "component_" in line]
    assert first.startswith("    web  changed: component_0 1,") and len(more) > 2
    assert all(line.startswith(" " * 18 + "component_") for line in more)
    assert all(len(line) <= 101 for line in lines)


def test_versions_are_told_where_they_changed(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def installed(number: int, **components: Component) -> Record:
        return deployed(store, number, targets={"web": target(**components)})

    installed(1, nginx=component(1, "1.26"), php=component(1, "8.3"), loki=component(1, "3.6"))
    installed(2, nginx=component(1, "1.27"), loki=component(0, "3.6"), mtail=component(1, "3.0"))
    newest = installed(
        3,
        nginx=component(1, "1.28"),
        php=component(2, "8.4"),
        loki=component(1, "3.6"),
        redis=component(1, "8.0"),
        base=component(0, "13.8"),
        mtail=component(0, "3.1"),  # another component's packages brought it along
    )
    assert new_versions(newest, store) == {
        "web": ["nginx 1.27 → 1.28", "php 8.3 → 8.4", "redis 8.0", "mtail 3.0 → 3.1"]
    }
    nothing = installed(4, nginx=component(0, "1.28"))
    assert new_versions(nothing, store) == {}


def test_markdown_tells_the_same() -> None:
    found = outcome(
        {"web": target(ERROR, nginx=component(2))},
        warnings=["a | b"],
        versions={"web": ["nginx 1 → 2"]},
    )
    text = markdown.failures({"web": ERROR}, AGAIN) + markdown.outcome(found)
    lines = text.splitlines()
    assert "### web failed (deploy): nginx · Service nginx" in lines
    fence = lines.index("```")
    assert lines[fence + 1 : fence + 4] == [*ERROR.output, "```"]
    assert any(line.startswith("**Do:** stop the other program") for line in lines)
    assert f"## {found.title} in 75.4 s" in lines
    assert "| web | ❌ failed: 1 of 1 components, 2 changes, 12.3 s | nginx 2 |" in lines
    assert "- versions on web: nginx 1 → 2" in lines
    assert "- note: a \\| b" in lines


def test_markdown_of_hostile_output_stays_in_its_fence() -> None:
    error = ERROR.model_copy(update={"output": ["```", "# not a heading"], "message": "<b>*x*"})
    lines = markdown.failures({"web": error}, AGAIN).splitlines()
    assert "\\<b\\>\\*x\\*" in lines
    fences = [number for number, line in enumerate(lines) if line == "````"]
    assert lines[fences[0] + 1 : fences[1]] == ["```", "# not a heading"]

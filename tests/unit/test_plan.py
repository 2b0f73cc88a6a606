"""The plan: how it is made of what operations tell, read, written down and confirmed."""

import json
import os
import pty
import re
from typing import Any, get_args

import jsonschema
import pytest

from facts.previews import ReleaseChange
from state import plan_markdown, plan_view
from state.commands.schema import text_of
from state.plan import COUNTED, Change, ComponentPlan, Plan, TargetPlan, Verb
from state.planning import counts
from state.record import Error
from tasks.effects import Verb as Told
from tests.unit.test_run import FakeRun, fake

__all__ = ["fake"]

DIFF = ["--- /etc/a.conf", "+++ /etc/a.conf", "@@ -1 +1 @@", "-old", "+new"]
CHANGES = [
    Change(verb="install", what="nginx", operation="Packages", new_version="1.26"),
    Change(verb="install", what="curl", operation="Packages"),
    Change(verb="install", what="loki", operation="Packages", old_version="3.4", new_version="3.5"),
    Change(verb="change", what="/etc/a.conf", operation="File", diff=DIFF),
    Change(verb="create", what="/etc/b.conf", operation="File", diff=["+hello"]),
    Change(verb="restart", what="a.service", operation="Service", why="File /etc/a.conf"),
    Change(verb="remove", what="/etc/*_c", operation="No file"),
]


def made(changes: list[Change], error: Error | None = None) -> Plan:
    components = {"web": ComponentPlan(changes=changes, unchanged=3), "quiet": ComponentPlan()}
    counted = counts(components.values())
    target = TargetPlan(role="r", address="a", components=components, counts=counted, error=error)
    return Plan(
        action="deploy",
        created_at="2026-11-26T04:00:00Z",
        changes=sum(counted.values()),
        targets={"one": target, "other": TargetPlan(role="r", address="b")},
    )


def plain(plan: Plan, whole: bool = False) -> list[str]:
    return [re.sub(r"\x1b\[\d+m", "", line) for line in plan_view.lines(plan, whole)]


def test_operations_tell_what_a_plan_knows_and_all_of_it_is_counted() -> None:
    assert get_args(Told) == get_args(Verb)
    assert sorted(verb for its in COUNTED.values() for verb in its) == sorted(get_args(Verb))
    assert set(plan_view.SIGNS) == set(get_args(Verb))


def test_a_plan_is_read_by_target_and_component() -> None:
    assert plain(made(CHANGES)) == [
        "    one    4 to create, 1 to change, 1 to restart, 1 to remove",
        "    other  nothing to do",
        "",
        "    one",
        "      web",
        "        + install nginx 1.26, curl",
        "        + install loki 3.4 → 3.5",
        "        ~ change /etc/a.conf",
        *(f"            {line}" for line in DIFF),
        "        + create /etc/b.conf",
        "        ↻ restart a.service (File /etc/a.conf)",
        "        - remove /etc/*_c",
    ]


def test_a_long_plan_counts_what_is_new_and_shows_what_is_not() -> None:
    new = [Change(verb="create", what=f"/etc/{n}", operation="File") for n in range(300)]
    stop = Change(verb="stop", what="a.service", operation="Service")
    plan = made([*new, *CHANGES, stop])
    assert plain(plan) == [
        "    one    304 to create, 1 to change, 2 to restart, 1 to remove",
        "    other  nothing to do",
        "",
        "    one",
        "      web: 304 to create, 1 to restart",
        "        ~ change /etc/a.conf",
        *(f"            {line}" for line in DIFF),
        "        - remove /etc/*_c",
        "        ↻ stop a.service",
        "",
        "    What is new is counted here; --diff shows every change.",
    ]
    whole = plain(plan, whole=True)
    assert "        + create /etc/299" in whole and "      web" in whole
    assert not [line for line in whole if "--diff" in line]


OLD, NEW = "1" * 40, "2" * 40


def release(**details: Any) -> Change:
    told = ReleaseChange(**{"old": OLD, "new": NEW, **details})
    return Change(verb="change", what="Release of shop", operation="Release", release=told)


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"coming": 12, "leaving": 0}, "12 commits, 1111111 → 2222222"),
        ({"coming": 1, "leaving": 0, "waiting": 1},
         "1 commit, 1111111 → 2222222, 1 migration to run"),
        ({"coming": 2, "leaving": 1}, "2 commits and 1 commit taken back, 1111111 → 2222222"),
        ({"coming": 0, "leaving": 3}, "3 commits taken back, 1111111 → 2222222"),
        ({"coming": 0, "leaving": 0}, "0 commits, 1111111 → 2222222"),
        ({"new": OLD, "coming": 0, "leaving": 0}, "1111111 again, with other settings"),
        ({}, "1111111 → 2222222"),
        ({"old": "", "waiting": 30}, "the first one, 2222222, 30 migrations to run"),
    ],
)  # fmt: skip
def test_a_release_says_from_where_to_where(details: dict[str, Any], words: str) -> None:
    assert f"        ~ change Release of shop ({words})" in plain(made([release(**details)]))


def test_a_release_lists_its_newest_commits_and_the_migrations_that_wait() -> None:
    change = release(
        coming=24,
        leaving=0,
        subjects=[f"Subject {n}" for n in range(20)],
        migrations=["2026_01_01_000000_orders"],
        waiting=1,
    )
    shown = plain(made([change]))
    assert shown[-12:] == [
        *(f"            Subject {n}" for n in range(10)),
        "            … 14 more commits",
        "            migration 2026_01_01_000000_orders",
    ]
    whole = plain(made([change]), whole=True)
    assert "            Subject 19" in whole and "            … 4 more commits" in whole


def test_a_release_is_shown_however_long_the_plan_is() -> None:
    new = [Change(verb="create", what=f"/etc/{n}", operation="File") for n in range(300)]
    first = release(old="").model_copy(update={"verb": "create"})
    shown = plain(made([*new, first]))
    assert "        + create Release of shop (the first one, 2222222)" in shown


def test_the_markdown_of_a_release_refers_to_nobody() -> None:
    change = release(coming=1, leaving=0, subjects=["Thank @alice for #12 <b>"])
    text = plan_markdown.text(made([change]))
    assert "- change Release of shop (1 commit, 1111111 → 2222222)\n" in text
    assert "  - Thank @&#8203;alice for \\#12 \\<b\\>\n" in text


def test_nothing_to_do_is_one_line_for_each_target() -> None:
    assert plain(made([])) == ["    one    nothing to do", "    other  nothing to do"]


def test_a_target_that_cannot_be_deployed_to_says_why() -> None:
    plan = made([], Error(stage="connect", message="no route to host"))
    assert plain(plan)[0] == "    one    cannot be deployed to: no route to host"


def test_long_diffs_are_cut_unless_all_is_asked_for() -> None:
    long = Change(verb="change", what="/x", operation="File", diff=[f"+{n}" for n in range(100)])
    shown = plain(made([long, *CHANGES]))
    assert "            +39" in shown and "            +40" not in shown
    assert "            … 60 more lines; --diff shows them" in shown
    whole = plain(made([long, *CHANGES]), whole=True)
    assert "            +99" in whole and "            +hello" in whole


def test_the_markdown_means_what_it_says() -> None:
    odd = Change(verb="change", what="/x", operation="File", diff=["-```", "+````"])
    text = plan_markdown.text(made([*CHANGES, odd]))
    assert text.startswith("## Plan of the deploy: 8 changes\n")
    assert "| one | 4 to create, 2 to change, 1 to restart, 1 to remove |" in text
    assert "| other | nothing to do |" in text
    assert "- remove /etc/\\*\\_c\n" in text
    assert "\n  ```diff\n  --- /etc/a.conf\n" in text
    assert "\n  `````diff\n  -```\n  +````\n  `````\n" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_the_markdown_is_never_too_long_for_a_comment() -> None:
    long = Change(verb="change", what="/x", operation="File", diff=["+" + "x" * 2000] * 40)
    text = plan_markdown.text(made([long, *CHANGES]))
    assert len(text) < plan_markdown.LONGEST and "xxx" not in text
    assert "change /x" in text and "the job's log has them" in text
    many = [replace_what(CHANGES[3], f"/etc/{n}") for n in range(5000)]
    text = plan_markdown.text(made(many))
    assert len(text) < 65_536 and text.endswith("the job's log has them.\n")


def replace_what(change: Change, what: str) -> Change:
    return change.model_copy(update={"what": what, "diff": []})


def test_a_dry_run_prints_the_plan_as_json(fake: FakeRun) -> None:
    there = {"files=%s": ["files=/etc/ground"]}
    done = fake("--dry", "--json", responses=there)
    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads(text_of("plan")))
    plan = Plan.model_validate(document)
    assert plan.changes == 6 and not plan.only
    target = plan.targets["@fake/vpsmanager"]
    assert target.counts == {"create": 2, "change": 1, "restart": 0, "remove": 0, "run": 0}
    (ground,) = target.components["ground"].changes
    assert (ground.verb, ground.what) == ("change", "Say ground")
    assert [each.what for each in target.components["house"].changes] == [
        "Say walls", "Say roof-of-vpsmanager"
    ]  # fmt: skip


@pytest.mark.parametrize("flags", [["--dry"], ["--dry", "-y"], ["--json"]])
def test_the_exit_code_tells_of_changes_where_that_is_asked_for(
    fake: FakeRun, flags: list[str]
) -> None:
    assert fake(*flags).returncode == 0
    assert fake(*flags, "--data", "detailed_exitcode=true").returncode == 2
    unfit = fake(*flags, "--data", "detailed_exitcode=true", FAKE_UNFIT="vpsmanager")
    assert unfit.returncode == 1
    assert not fake.records


def test_an_unfit_target_is_part_of_the_plan(fake: FakeRun) -> None:
    done = fake("--dry", FAKE_UNFIT="vpsmanager")
    assert "@fake/vpsmanager     cannot be deployed to: memory: found 1 MB" in done.stderr
    assert "@fake/observability  3 to create" in done.stderr


def test_the_plan_is_written_as_markdown_and_the_run_goes_on(fake: FakeRun) -> None:
    path = fake.folder / "plan.md"
    done = fake("-y", "--data", f"plan={path}")
    assert done.returncode == 0, done.stderr
    assert path.read_text().startswith("## Plan of the deploy: 6 changes\n")
    assert fake.records[0].status == "completed"


def test_a_plan_that_cannot_be_written_changes_nothing(fake: FakeRun) -> None:
    done = fake("-y", "--data", f"plan={fake.folder}/no/plan.md")
    assert done.returncode == 1
    assert "the plan could not be written" in done.stderr and "name another file" in done.stderr
    assert not fake.records


@pytest.mark.parametrize(("typed", "code"), [("\n", 0), ("no\n", 1), ("\x04", 1)])
def test_the_plan_is_confirmed_by_enter_alone(fake: FakeRun, typed: str, code: int) -> None:
    done, shown = on_a_terminal(fake, typed)
    assert done == code, shown
    assert "3 to create" in shown and "Enter goes on with this" in shown
    assert [each.status for each in fake.records] == (["completed"] if code == 0 else [])
    assert ("Nothing was changed." in shown) == bool(code)


def test_a_choice_of_components_is_deployed_and_recorded(fake: FakeRun) -> None:
    done = fake("-y", "--data", "only=ground")
    assert done.returncode == 0, done.stderr
    (record,) = fake.records
    assert record.config.only == ["ground"] and record.config.skip == []
    for target in record.targets.values():
        assert list(target.components) == ["ground"]
    plan = json.loads(fake("--dry", "--json", "--data", "skip=house").stdout)
    assert {name for each in plan["targets"].values() for name in each["components"]} == {"ground"}
    assert plan["skip"] == ["house"]


def on_a_terminal(fake: FakeRun, typed: str) -> tuple[int, str]:
    """Run it with a terminal to type on; returns the exit code and what it printed."""
    master, slave = pty.openpty()
    process = fake.start(stdin=slave)
    os.close(slave)
    os.write(master, typed.encode())
    _, shown = process.communicate(timeout=120)
    os.close(master)
    return process.returncode, shown


def test_a_plan_tells_where_an_address_really_leads() -> None:
    plan = made(CHANGES)
    plan.targets["one"].leads = "to 10.9.0.99, through jump"
    told = ", 1 to remove (a leads to 10.9.0.99, through jump)"
    assert any(line.endswith(told) for line in plain(plan))
    assert "(a leads to 10.9.0.99, through jump) |" in plan_markdown.text(plan)

"""What ``python -m state`` prints: for people at any width, for programs, and where it refuses."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from configs import PROJECT
from state.command_line import COMMANDS, main
from state.commands import words
from state.commands.table import Column, lines
from state.record import Check, Ci, Component, Deployer, Error, Event, Release
from state.store import Store
from tests.unit.histories import Commands, child, deployed, tamper, target

RED, YELLOW = "\x1b[31m", "\x1b[33m"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cuts nothing, unless a test says otherwise."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Four deployments: of both targets, failed, interrupted, and of one again."""
    store = Store(tmp_path / "state")
    both = {"watch": target({"loki": ["/etc/loki"]}), "web": target({"redis": ["/etc/redis"]})}
    deployed(store, 1, targets=both, message="the first one")
    error = Error(
        stage="deploy",
        message="redis did not start",
        component="redis",
        operation="Service redis",
        command="systemctl restart redis",
        exit_code=3,
        output=["bad\x1b[2J directive"],
        remedy="mend it, then run it again",
    )
    failed = {"watch": target(), "web": target(status="failed", error=error)}
    deployed(store, 2, targets=failed, status="failed")
    ci = Ci(system="github", job="nightly", actor="alice")
    deployer = Deployer(user="runner", hostname="box", ip="10.0.0.9", pid=1, ci=ci)
    deployed(store, 3, status="interrupted", deployer=deployer)
    deployed(store, 4, targets={"web": target({"redis": ["/etc/more"]}, {"redis": ["/etc/redis"]})})
    return store


@pytest.fixture
def run(store: Store, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(store, capsys)


@pytest.fixture
def nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(Store(tmp_path / "none"), capsys)


def ids(store: Store) -> list[str]:
    return store.ids()


def on_a_terminal(folder: Path, *arguments: str, **environment: str) -> str:
    """What a command prints on a terminal."""
    ours, theirs = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    command = child(folder, *arguments)
    with subprocess.Popen(command, cwd=PROJECT, stdout=theirs, env={**env, **environment}):
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:
            pass  # Linux says so once nobody has the other side open
    os.close(ours)
    return said.decode()


# history


def test_the_history_is_a_table_newest_first(
    run: Commands, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    head, *rows = run("history").splitlines()
    assert head.split() == (
        ["id", "when", "action", "status", "who", "targets", "changes", "took", "message"]
    )
    assert [row.removeprefix("*").split()[0] for row in rows] == ids(store)[::-1]
    assert [row.startswith("*") for row in rows] == [True, False, False, False]
    assert "failed" in rows[2] and "✗web watch" in rows[2] and "me@here" in rows[2]
    assert "interrupted" in rows[1] and "github nightly (alice)" in rows[1]
    assert rows[3].endswith("2  60 s  the first one")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
def test_the_table_fits_the_terminal(
    run: Commands, store: Store, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    rows = run("history").splitlines()
    assert len(rows) == 5
    assert max(map(len, rows)) <= max(width, 24)
    for row, deployment_id in zip(rows[1:], ids(store)[::-1], strict=True):
        assert (deployment_id if width >= 70 else deployment_id[-6:]) in row
    assert [word in rows[3] for word in ("failed", "✗web")] == [True, width >= 60]


def test_what_matters_least_is_cut_and_then_left_out() -> None:
    columns = [
        Column("id", ["abc"]),
        Column("who", ["somebody@somewhere"], rank=1, least=6),
        Column("text", ["a long message"], rank=2, least=6),
    ]
    shown = {room: lines(columns, [None], room)[1] for room in (50, 36, 31, 20, 18, 6, 2)}
    assert shown == {
        50: "abc  somebody@somewhere  a long message",
        36: "abc  somebody@somewhere  a long mes…",
        31: "abc  somebody@somewhere  a lon…",
        20: "abc  somebo…  a lon…",
        18: "abc  somebody@som…",
        6: "abc",
        2: "abc",
    }


def test_failed_ones_are_red_and_interrupted_ones_yellow_on_a_terminal(store: Store) -> None:
    said = on_a_terminal(store.folder, "history", COLUMNS="120").splitlines()
    assert [said[3].startswith(RED), said[2].startswith(YELLOW)] == [True, True]
    assert RED not in said[1] + said[4]
    assert "\x1b" not in on_a_terminal(store.folder, "history", NO_COLOR="1")


def test_no_colour_when_piped(store: Store) -> None:
    for command in ("history", "verify"):
        done = subprocess.run(child(store.folder, command), cwd=PROJECT, capture_output=True)
        assert done.returncode == 0 and b"\x1b" not in done.stdout


def test_the_newest_twenty_or_as_many_as_asked(tmp_path: Path, capsys: Any) -> None:
    store = Store(tmp_path)
    for day in range(1, 26):
        deployed(store, day)
    run = Commands(store, capsys)
    assert len(run("history").splitlines()) == 22
    assert "5 older ones not shown: --all shows all" in run("history")
    assert len(run("history", "--limit", "3").splitlines()) == 5
    assert len(run("history", "--all").splitlines()) == 26
    assert run.json("history", "--limit", "3")["more"] == 22


def test_the_history_as_json(run: Commands, store: Store) -> None:
    document = run.json("history")
    assert set(document) == {"current", "records", "more"}
    assert (document["current"], document["more"]) == (ids(store)[-1], 0)
    first = document["records"][-1]
    assert first == {
        "deployment_id": ids(store)[0],
        "current": False,
        "problem": None,
        "action": "deploy",
        "status": "completed",
        "started_at": first["started_at"],
        "completed_at": "2026-01-01T00:01:00Z",
        "duration_s": 60.0,
        "user": "me",
        "hostname": "here",
        "ci": None,
        "message": "the first one",
        "changes": 2,
        "targets": {"watch": "completed", "web": "completed"},
    }
    assert document["records"][1]["ci"] == {"system": "github", "job": "nightly", "actor": "alice"}


def test_a_record_that_cannot_be_read_is_shown_as_such(
    run: Commands, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    broken, newer = ids(store)[:2]
    store.path_of(broken).write_text("{half")
    tamper(store, newer, '"version": "5.3"', '"version": "5.4"')
    rows = run("history").splitlines()
    assert broken in rows[4] and "unreadable" in rows[4] and "cut off, or no JSON" in rows[4]
    assert "written by a newer version of this project (5.4)" in rows[3]
    shown = run.json("history")["records"]
    assert [each["problem"] is None for each in shown] == [True, True, False, False]
    assert shown[3]["status"] is None


# show


def test_everything_about_a_deployment(run: Commands, store: Store) -> None:
    said = run("show", ids(store)[1])
    for words_of_it in (
        f"deploy {ids(store)[1]}: failed in 60 s",
        "who: me@here (10.0.0.1)",
        f"previous: {ids(store)[0]}",
        "web (vpsmanager, 10.0.0.2): failed, 1 change",
        "failed (deploy): redis | Service redis: redis did not start",
        "command (exit code 3): systemctl restart redis",
        "| bad [2J directive",
        "do: mend it, then run it again",
    ):
        assert words_of_it in said
    assert "\x1b" not in said
    assert "watch" not in run("show", ids(store)[1], "web")
    assert ", current" in run("show", "current")


def test_what_was_created_released_and_checked(tmp_path: Path, capsys: Any) -> None:
    store = Store(tmp_path)
    bad = Event(
        release="20260101-000002-aaaaaaa",
        event="bad",
        at="2026-01-02T00:00:00Z",
        step="migrate",
        output=["no such column"],
        dump="/var/backups/chom/shop.sql.gz",
    )
    release = Release(app="shop", release="20260101-000001-bbbbbbb", revision="abc", last=bad)
    made = target({"redis": ["/etc/a", "/etc/b"]}, {"redis": ["/etc/c"]})
    made.components["releases"] = Component(status="failed", releases=[release])
    made.components["workers"] = Component(status="skipped", reason="needs releases")
    made.checks = [Check(name="Grafana is healthy"), Check(name="mail", problem="refused")]
    deployed(store, 1, targets={"web": made})
    said = Commands(store, capsys)("show", "current")
    for words_of_it in (
        "created for redis: files /etc/a, files /etc/b",
        "removed for redis: files /etc/c",
        "shop: 20260101-000001-bbbbbbb, revision abc; 20260101-000002-aaaaaaa is bad: migrate",
        "| no such column",
        "zcat /var/backups/chom/shop.sql.gz | mariadb shop",
        "skipped",
        "✓ Grafana is healthy",
        "✗ mail: refused",
    ):
        assert words_of_it in said


def test_a_deployment_as_json(run: Commands, store: Store) -> None:
    document = run.json("show", "current")
    assert set(document) == {"record", "current", "last_matched"}
    record = store.read(ids(store)[-1])
    assert record and document["record"] == record.model_dump(mode="json")
    assert document["current"] is True
    assert document["last_matched"]["web"]["by"] == ids(store)[-1]


def test_when_it_last_matched(run: Commands, store: Store) -> None:
    assert f"when {ids(store)[-1]} completed" in run("show", "current")
    assert f"last matched: {words.ago('2026-01-01T00:01:00Z')}" in run("show", "current")

    def dry_run(**said: Any) -> str:
        (store.folder / "matched.json").write_text(json.dumps({"web": said}))
        return run("show", "current", "web")

    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert "last matched: just now, by a dry run" in dry_run(at=at, differs=[])
    said = dry_run(at=at, differs=["base | File /etc/hosts", "redis | Service"])
    assert f"when {ids(store)[-1]} completed" in said
    assert "differs since the dry run just now: base | File /etc/hosts; redis | Service" in said
    assert "by a dry run" not in dry_run(at="2025-01-01T00:00:00Z", differs=[])


@pytest.mark.parametrize("text", ["", "[]", "{half", '{"web": 3}', '{"web": {"at": 1}}'])
def test_what_a_dry_run_left_is_read_tolerantly(run: Commands, store: Store, text: str) -> None:
    (store.folder / "matched.json").write_text(text)
    assert f"when {ids(store)[-1]} completed" in run("show", "current")


def test_a_target_that_never_completed(tmp_path: Path, capsys: Any) -> None:
    store = Store(tmp_path)
    deployed(store, 1, targets={"web": target(status="failed")}, status="failed")
    said = Commands(store, capsys)("show", "current")
    assert "last matched: never, as far as the history tells" in said


def test_a_target_that_is_not_in_the_record(run: Commands) -> None:
    said = run("show", "current", "watch", code=1)
    assert "found: no target watch in 20260104" in said
    assert "expected: one of: web" in said


# diff


def test_nothing_differs(run: Commands, store: Store) -> None:
    deployed(store, 5, targets={"web": target({"redis": []})})
    one, two = ids(store)[-2:]
    assert run("diff", "previous", "current") == f"Nothing differs between {one} and {two}.\n"


def test_settings_versions_resources_and_hardware_that_differ(tmp_path: Path, capsys: Any) -> None:
    store = Store(tmp_path)
    for day, days, version, memory in ((1, 15, "1.0", 2048), (2, 30, "1.1", 4096)):
        base: dict[str, Any] = {"prometheus": {"retention_days": days}, "apps": {}}
        web = {**base, "php": {"versions": ["8.4"] * day}}
        made = target({"redis": [f"/etc/{day}"]}, {"redis": ["/etc/1"]} if day == 2 else None)
        made.components["redis"].version = version
        made.hardware = {"memory_mb": memory, "disk_free_mb": day, "detected_at": f"{day}"}
        more = {"new": target()} if day == 2 else {}
        saved = deployed(store, day, targets={"watch": target(), "web": made, **more})
        saved.config.settings = {"watch": base, "web": web}
        store.save(saved)
    run = Commands(store, capsys)
    one, two = ids(store)
    assert run("diff", one, two).splitlines() == [
        f"from {one} to {two}",
        "target new: only in the second one",
        "settings",
        "  prometheus.retention_days: 15 → 30",
        '  php.versions (web): ["8.4"] → ["8.4", "8.4"]',
        "versions",
        '  redis (web): "1.0" → "1.1"',
        "hardware",
        "  memory_mb: 2048 → 4096",
        "resources",
        "  + web: files /etc/2",
        "  - web: files /etc/1",
    ]
    document = run.json("diff", one, two)
    assert set(document) == {
        "old", "new", "targets", "settings", "versions", "hardware", "resources",
    }  # fmt: skip
    assert document["targets"] == {"added": ["new"], "removed": []}
    assert document["settings"][0] == {
        "key": "prometheus.retention_days",
        "old": 15,
        "new": 30,
        "absent": "",
        "targets": [],
    }
    assert document["resources"] == {
        "web": {
            "created": [{"kind": "files", "name": "/etc/2"}],
            "removed": [{"kind": "files", "name": "/etc/1"}],
        }
    }
    assert "settings" not in run("diff", "current", "current")


# resources


def test_what_is_ours_on_each_target(run: Commands, store: Store) -> None:
    assert run("resources").splitlines() == [
        "watch: 1 resource",
        "  loki",
        f"    files /etc/loki, since {ids(store)[0]}",
        "web: 1 resource",
        "  redis",
        f"    files /etc/more, since {ids(store)[-1]}",
    ]
    assert "watch" not in run("resources", "web")
    said = run("resources", "nobody", code=1)
    assert "nothing that is ours on a target nobody" in said and "one of: watch, web" in said


def test_resources_as_json_with_data_marked(store: Store, run: Commands) -> None:
    made = target()
    made.components["mariadb"] = Component.model_validate(
        {"created": [{"kind": "databases", "name": "shop"}, {"kind": "data", "name": "/srv"}]}
    )
    deployed(store, 5, targets={"web": made})
    document = run.json("resources", "web")
    assert document["targets"]["web"] == [
        {
            "kind": kind,
            "name": name,
            "components": [component],
            "since": since,
            "data": kind != "files",
        }
        for kind, name, component, since in (
            ("files", "/etc/more", "redis", ids(store)[-2]),
            ("databases", "shop", "mariadb", ids(store)[-1]),
            ("data", "/srv", "mariadb", ids(store)[-1]),
        )
    ]
    assert "databases shop (data), since" in run("resources")


# verify, prune


def test_a_history_that_is_proven_and_one_that_is_not(run: Commands, store: Store) -> None:
    assert run("verify") == "4 records: all as they were written\n"
    told = {"records": 4, "pruned": 0, "ok": True, "signatures": False, "findings": []}
    assert run.json("verify") == told
    tamper(store, ids(store)[1], "redis did not start", "redis was fine")
    said = run("verify", code=1)
    assert f"{ids(store)[1]}  changed: it is not what was written" in said
    assert "do: compare it with another copy" in said and "1 problem in 4 records" in said
    document = run.json("verify", code=1)
    assert document["ok"] is False
    (finding,) = document["findings"]
    assert (finding["deployment_id"], finding["kind"], finding["note"]) == (
        ids(store)[1],
        "changed",
        False,
    )


def test_pruning_says_what_it_removed(run: Commands, store: Store) -> None:
    first, second = ids(store)[:2]
    before = store.owned("web")
    said = run("prune", "--keep", "2")
    assert said.startswith("removed 2 records, ") and said.endswith(f": {first} to {second}\n")
    assert run("prune", "--keep", "2") == "nothing to remove\n"
    assert "2 records, and 2 pruned: all as they were written" in run("verify")
    assert store.owned("web") == before
    assert f"found: {first}, which was pruned" in run("show", first, code=1)
    assert run.json("prune", "--keep", "1")["removed"] == ["20260103-000000-000003"]


# Ids


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("20260102-000000-000002", 1),
        ("20260102", 1),
        ("000002", 1),
        (".deploy-state/history/20260102-000000-000002.json", 1),
        ("current", 3),
        (".deploy-state/current.json", 3),
        ("previous", 2),
    ],
)
def test_ids_may_be_shortened(run: Commands, store: Store, text: str, position: int) -> None:
    assert run.json("show", text)["record"]["deployment_id"] == ids(store)[position]


def test_an_ambiguous_id_lists_the_candidates(run: Commands, store: Store) -> None:
    said = run("show", "2026", code=1)
    assert all(each in said for each in ids(store))
    assert "do: write more of the one that you mean" in said


def test_an_unknown_id_names_the_nearest_or_the_newest(run: Commands, store: Store) -> None:
    said = run("show", "20260102-000000-000099", code=1)
    assert "found: no deployment 20260102-000000-000099" in said
    assert "did you mean 20260102-000000-000002" in said
    assert f"the newest is {ids(store)[-1]}" in run("show", "shop", code=1)


def test_a_record_that_cannot_be_shown_is_refused(run: Commands, store: Store) -> None:
    tamper(store, ids(store)[1], '"version": "5.3"', '"version": "5.4"')
    said = run("show", ids(store)[1], code=1)
    assert "written by a newer version of this project (5.4)" in said
    assert "do: update your checkout to read it" in said


def test_there_is_none_before_the_first(tmp_path: Path, capsys: Any) -> None:
    store = Store(tmp_path)
    first = deployed(store, 1).deployment_id
    run = Commands(store, capsys)
    assert f"no deployment before {first}" in run("show", "previous", code=1)
    store.path_of(first).unlink()
    deployed(store, 2)
    store.make_current(first)
    assert f"no record where current.json leads to ({first})" in run("show", "current", code=1)


# Whatever happens


def test_an_empty_history_is_no_trouble(nothing: Commands) -> None:
    assert "No deployment yet" in nothing("history")
    assert "python -m state sync fetches their records" in nothing("history")
    assert nothing.json("history") == {"current": None, "records": [], "more": 0}
    assert "0 records" in nothing("verify")
    assert "Nothing is ours" in nothing("resources")
    assert nothing("prune", "--keep", "3") == "nothing to remove\n"
    for command in (["show", "current"], ["diff", "current", "previous"]):
        said = nothing(*command, code=1)
        assert "found: no deployment in" in said and "do: deploy first" in said


@pytest.mark.parametrize(
    "arguments",
    [[], ["what"], ["show"], ["prune"], ["prune", "--keep", "0"], ["history", "--limit", "no"]],
    ids=" ".join,
)
def test_a_wrong_call_ends_with_2(arguments: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m state" in capsys.readouterr().err


def test_every_command_has_help(capsys: Any) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([command, "-h"])
        assert ended.value.code == 0
        said = capsys.readouterr().out
        assert "--json" in said and "--folder" in said


def test_they_start_without_what_deploys() -> None:
    script = (
        "import sys, state.command_line; print(*{'pyinfra', 'gevent', 'yaml'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True)
    assert b"pyinfra" not in done.stdout and b"gevent" not in done.stdout and not done.stderr


def test_who_reads_no_further_gets_no_traceback(store: Store) -> None:
    for day in range(5, 29):
        deployed(store, day, message="long " * 2000)
    with subprocess.Popen(
        child(store.folder, "history", "--all", "--json"),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_terminal_without_our_characters_gets_no_traceback(store: Store) -> None:
    for arguments in (["history"], ["show", "000002"], ["show", "nothing"]):
        done = subprocess.run(
            child(store.folder, *arguments),
            cwd=PROJECT,
            env={**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "200"},
            capture_output=True,
        )
        assert b"Traceback" not in done.stderr


def opened_by_a_reader(fifo: Path) -> int:
    """Wait until somebody reads a named pipe; the end that writes."""
    for _ in range(6000):
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.02)
    raise AssertionError("nobody reads it")


def test_ctrl_c_ends_silently_with_130(store: Store) -> None:
    os.mkfifo(store.path_of("20260201-000000-aaaaaa"))  # whoever reads that waits
    with subprocess.Popen(
        child(store.folder, "history"), cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        writing = opened_by_a_reader(store.path_of("20260201-000000-aaaaaa"))
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=120) == (b"", b"")
        os.close(writing)
    assert process.returncode == 130


def test_times_and_sizes_as_a_person_says_them() -> None:
    now = datetime(2026, 1, 10, 12, tzinfo=UTC)
    said = {
        "2026-01-10T11:59:30Z": "just now",
        "2026-01-10T11:57:00Z": "3 min ago",
        "2026-01-10T10:00:00Z": "2 h ago",
        "2026-01-09T11:00:00Z": "1 day ago",
        "2026-01-08T11:00:00Z": "2 days ago",
        "2023-01-08T11:00:00Z": "3 years ago",
        "2026-01-10T13:00:00Z": "in the future",
    }
    assert {time: words.ago(time, now) for time in said} == said
    assert [words.duration(each) for each in (None, 75.4, 600, 9000)] == [
        "", "75 s", "10 min", "2.5 h",
    ]  # fmt: skip
    assert [words.size(each) for each in (12, 48_000, 1_240_000)] == ["12 bytes", "48 kB", "1.2 MB"]

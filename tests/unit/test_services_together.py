"""Questions about services: all of them are answered as each is alone, with fewer programs."""

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pyinfra.connectors.util import OutputLine

from facts import services, services_together
from facts.services import ServiceState, answers
from facts.services_together import AT_ONCE, LONGEST, asked_by
from state.batch import ask
from state.combining import combined
from state.questions import Question
from tests.unit.test_batch import HOST, LocalChannel, alone, channels, hang_up, heard, told

__all__ = ["channels", "hang_up", "heard"]

SYSTEMCTL = """\
#!/bin/sh
echo systemctl >> "$FAKE/started"
[ "$1 $2" = 'show -p' ] || exit 1
properties=$3; shift 3; first=yes
for unit; do
  [ $first = yes ] || echo
  first=no
  case $properties in Id,*) echo "Id=$(cat "$FAKE/$unit.id" 2>/dev/null || echo "$unit")";; esac
  echo "LoadState=$([ -e "$FAKE/$unit" ] && echo loaded || echo not-found)"
  echo "ActiveState=$(cat "$FAKE/$unit" 2>/dev/null || echo inactive)"
  echo "ConditionResult=$([ -e "$FAKE/$unit.off" ] && echo no || echo yes)"
  echo ConditionTimestampMonotonic=12
  echo "MainPID=$(cat "$FAKE/$unit.pid" 2>/dev/null || echo 0)"
done
"""
SS = """\
#!/bin/sh
echo ss >> "$FAKE/started"
case $2 in
  '') cat "$FAKE/listening";;
  *) grep ":${2#sport = :} " "$FAKE/listening"; true;;
esac
"""
CURL = """\
#!/bin/sh
echo curl >> "$FAKE/started"
say=
for word; do
  case $word in
    *=%{exitcode}*) say=$word;;
    http*)
      grep -qx "$word" "$FAKE/pages"; code=$?
      [ -z "$say" ] || printf "$(printf %s "$say" | sed "s/%{exitcode}/$code/")"
      say=;;
  esac
done
exit $code
"""


# Nobody but systemd knows of conditions.
ANALYZE = """\
#!/bin/sh
echo systemd-analyze >> "$FAKE/started"
! [ -e "$FAKE/${2#--unit=}.off" ]
"""
TWO = ["Id=a.service", "", "Id=b.service"]


class Machine:
    """Fake programs, and the files of services. ``started``: the programs, each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stamps = folder / "stamps"
        self.stamps.mkdir()
        (folder / "bin").mkdir()
        programs = {
            "systemctl": SYSTEMCTL, "ss": SS, "curl": CURL, "systemd-analyze": ANALYZE
        }  # fmt: skip
        for name, text in programs.items():
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(stat.S_IRWXU)
        for name in ("listening", "pages", "started"):
            (folder / name).touch()

    def file(self, name: str, text: str = "text\n") -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def runs(self, unit: str, state: str = "active") -> None:
        self.file(unit, state)

    def stamp(self, name: str, *files: str, end: str = "\n") -> None:
        lines = [f"{hashlib.sha256(Path(p).read_bytes()).hexdigest()}  {p}" for p in files]
        (self.stamps / name).write_text("\n".join(lines) + (end if lines else ""))

    def listens(self, port: int, unit: str) -> None:
        """A process of a unit does; its number leads to a folder of ours."""
        process = self.folder / f"process{port}"
        process.mkdir()
        (process / "cgroup").write_text(f"1:name=systemd:/x\n0::/system.slice/{unit}\n")
        with (self.folder / "listening").open("a") as file:
            users = f'users:(("x",pid=..{process},fd=3))'
            file.write(f"LISTEN 0 4096 127.0.0.1:{port} 0.0.0.0:* {users}\n")

    def serves(self, url: str) -> None:
        with (self.folder / "pages").open("a") as file:
            file.write(f"{url}\n")

    @property
    def started(self) -> list[str]:
        return sorted((self.folder / "started").read_text().split())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(tmp_path))
    for module in (services, services_together):
        monkeypatch.setattr(module, "STARTED_WITH", str(made.stamps))
    return made


def question(
    unit: str, runs: list[str] | None = None, reads: list[str] | None = None, ready: str = ""
) -> Question:
    command = ServiceState().command(unit, runs or [], reads or [], ready or None)
    return Question(text=command.get_raw_value())


def same(questions: list[Question]) -> dict[Question, list[str]]:
    """What each is answered among the others, which is what it is alone."""
    found = ask(HOST, questions)
    assert found.keys() == set(questions)
    for each in questions:
        assert (True, *told(found, each)) == alone(each.text)
    return {each: told(found, each)[0] for each in questions}


def test_files_are_compared_as_alone(machine: Machine) -> None:
    machine.runs("a.service")
    one, two = machine.file("one.conf"), machine.file("two.conf", "more\n")
    pattern = f"{machine.folder}/pool-*.conf"
    pools = [machine.file(f"pool-{name}.conf", name) for name in ("z", "B", "a")]
    hidden = machine.file(".pool-x.conf")
    questions = [
        question("same.service", [one, two], [pattern, two]),
        question("other-order.service", [two, one]),
        question("nothing.service"),
        question("missing.service", [f"{machine.folder}/none"], [f"{machine.folder}/none-*.conf"]),
        question("changed.service", [one]),
        question("no-stamp.service", [one], [one]),
        question("hidden.service", [pattern]),
    ]
    machine.stamp("same.service.runs", one, two)
    machine.stamp("same.service.reads", *sorted(pools), two)
    machine.stamp("other-order.service.runs", one, two)
    for name in ("nothing.service", "missing.service"):
        machine.stamp(f"{name}.runs")
        machine.stamp(f"{name}.reads")
    machine.stamp("changed.service.runs", one)
    machine.file("one.conf", "changed since\n")
    machine.stamp("hidden.service.runs", hidden, *sorted(pools))
    machine.stamp("same.service.runs", one, two)
    answered = same(questions)
    yes = [[each for each in lines if each.startswith("same")] for lines in answered.values()]
    both = ["same_runs=yes", "same_reads=yes"]
    assert yes[0] == both and yes[2] == both and yes[3] == both
    assert yes[1] == yes[4] == yes[5] == yes[6] == []


def test_readiness_is_asked_as_alone(machine: Machine) -> None:
    pages = {port: f"http://127.0.0.1:{port}/ready" for port in range(9001, 9007)}
    machine.listens(9001, "good.service")
    machine.listens(9002, "another.service")
    machine.listens(9004, "broken.service")
    machine.listens(9005, "tls.service")
    for port in (9001, 9002, 9003, 9005):
        machine.serves(pages[port])
    machine.serves("https://127.0.0.1:9005/")
    with (machine.folder / "listening").open("a") as file:
        file.write("LISTEN 0 64 *:9006 *:*\n")  # the kernel's own
    questions = [
        question("good.service", ready=answers("good.service", pages[9001])),
        question("taken.service", ready=answers("taken.service", pages[9002])),
        question("silent.service", ready=answers("silent.service", pages[9003])),
        question("broken.service", ready=answers("broken.service", pages[9004])),
        question("tls.service", ready=answers("tls.service", "https://127.0.0.1:9005/", True)),
        question("kernel.service", ready=answers("kernel.service", pages[9006])),
        question("yes.service", ready="echo noise; echo noise >&2; [ -d / ]"),
        question("no.service", ready="false"),
        question("none.service"),
    ]
    before = len(machine.started)
    answered = ask(HOST, questions)
    assert machine.started[before:] == ["curl", "ss", "systemctl"]
    ready = {each for each in questions if "ready=yes" in told(answered, each)[0]}
    assert ready == {questions[at] for at in (0, 4, 6, 8)}
    same(questions)


def test_units_are_told_of_as_alone(machine: Machine) -> None:
    machine.runs("a.service", "failed")
    machine.runs("b@x.service")
    machine.file("c.timer", "active")
    found = same(
        [question(each) for each in ("c.timer", "none.service", "a.service", "b@x.service")]
    )
    assert [lines[1] for lines in found.values()] == [
        "ActiveState=active", "ActiveState=inactive", "ActiveState=failed", "ActiveState=active",
    ]  # fmt: skip


def test_conditions_are_asked_as_alone(machine: Machine) -> None:
    machine.runs("runs.service")
    for unit in ("off.service", "runs.service"):
        machine.file(f"{unit}.off")
    questions = [question(each) for each in ("runs.service", "off.service", "stopped.service")]
    before = len(machine.started)
    answered = ask(HOST, questions)
    assert machine.started[before:].count("systemd-analyze") == 1
    found = ["condition_fails=yes" in told(answered, each)[0] for each in questions]
    assert found == [False, True, False]
    same(questions)


def test_replaced_programs_are_found_as_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By real processes, the program of one of which is then replaced."""
    place = machine.folder.relative_to("/").parts[0]
    for module in (services, services_together):
        pattern = module.REPLACED_MAPPING.replace("(usr|", f"({place}|")
        monkeypatch.setattr(module, "REPLACED_MAPPING", pattern)
    processes = []
    try:
        for name in ("old", "new"):
            shutil.copy("/bin/sleep", machine.folder / name)
            processes.append(subprocess.Popen([machine.folder / name, "60"]))
            machine.file(f"{name}.service.pid", str(processes[-1].pid))
        shutil.copy("/bin/sleep", machine.folder / "next")
        (machine.folder / "next").rename(machine.folder / "old")
        found = same([question(f"{name}.service") for name in ("old", "new", "none")])
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert ["replaced=yes" in lines for lines in found.values()] == [True, False, False]


@pytest.mark.parametrize("spoil", ["another name", "half a stamp", "an odd file"])
def test_what_is_not_understood_leaves_all_to_be_asked_alone(machine: Machine, spoil: str) -> None:
    one = machine.file("one.conf")
    asked = [question("a.service", [f"{machine.folder}/*.conf"]), question("b.service", [one])]
    machine.stamp("b.service.runs", one)
    assert ask(HOST, asked).keys() == set(asked)
    if spoil == "another name":
        machine.file("a.service.id", "alias.service")
    elif spoil == "half a stamp":
        machine.stamp("b.service.runs", one, end="")
    else:
        machine.file("back\\slash.conf")
    other = Question(text="echo 1")
    assert ask(HOST, [*asked, other]).keys() == {other}


@pytest.mark.parametrize(
    "said",
    [
        [],
        ["Id=a.service", *"@@@@@@"],
        [*TWO, *"@@@@@"],
        ["Id=b.service", "", "Id=a.service", *"@@@@@@"],
        [*TWO, "@", "/etc/passwd", *"@@@@@"],
        [*TWO, "@", "@", "c.service", *"@@@@"],
        [*TWO, "@", "@", "@", "short  /a", *"@@@"],
        [*TWO, *"@@@@@", "/other:text", "@"],
        [*TWO, *"@@@@", "5|/run/a", *"@@"],
        [*TWO, *"@@@@@@", "something else"],
        [*TWO, *"@@@@@@", "x=0"],
    ],
)
def test_an_answer_that_is_none_is_dropped(said: list[str]) -> None:
    [together] = combined([question("a.service"), question("b.service")]).values()
    assert together
    assert together.apart([OutputLine("stdout", line) for line in said]) == {}


def test_a_service_that_is_special_is_asked_alone(machine: Machine) -> None:
    plain = question("a.service", ["/etc/a"], ["/etc/b*"], "true && true").text
    assert asked_by(plain)
    special: list[Callable[[], str]] = [
        lambda: question("a.service", ["/etc/*/a"]).text,
        lambda: question("a.service", ["/etc/with space"]).text,
        lambda: question("a b.service").text,
        lambda: question("a.service", ready="exit 0").text,
        lambda: question("a.service", [f"/etc/{'x' * 50}{number}" for number in range(40)]).text,
        lambda: plain.replace("same_reads", "same_runs"),
        lambda: f"{plain} ",
        lambda: "systemctl show -p LoadState a.service",
    ]
    assert [asked_by(each()) for each in special] == [None] * len(special)


def test_not_too_many_are_asked_in_one_command(channels: list[LocalChannel]) -> None:
    long = [f"/etc/{'x' * 100}/{number}" for number in range(9)]
    questions = [question(f"{number}.service", long) for number in range(2 * AT_ONCE + 1)]
    assert max(len(each.text) for each in questions) <= LONGEST
    sizes = [len(each.questions) for each in combined(questions).values() if each]
    assert sorted(sizes) == [1, AT_ONCE, AT_ONCE]
    assert max(len(each.text) for each in combined(questions)) < 30_000

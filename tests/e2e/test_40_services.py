"""Services that should run do run, from the program that is installed, or the target fails."""

import json
from collections.abc import Iterator

import pytest

from tasks.operations.files import replace_script
from tasks.sandbox import Checker, Sandbox
from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import changed
from tests.lab import Lab

ALLOY = "/usr/bin/alloy"
DROP_INS = "/run/systemd/system/alloy.service.d"
# Maps memory that may be written to and executed, as compilers at run time do.
WRITE_EXECUTE = "import mmap; mmap.mmap(-1, 4096, prot=7)"
PANIC = """\
#!/bin/sh
echo 'panic: operation not permitted' >&2
n=0; while [ $n -lt 60 ]; do n=$((n + 1)); echo "goroutine $n [running]:" >&2; done
exit 2
"""


def state_of(platform: Platform, unit: str, machine: str = "vpsmanager") -> str:
    return answer(platform.lab, machine, f"systemctl is-active {unit} || :")


def runs_from(platform: Platform, unit: str, machine: str = "vpsmanager") -> str:
    """The program of a unit's process, with a word of the kernel's if it was replaced."""
    return answer(platform.lab, machine, f"readlink /proc/$(systemctl show -P MainPID {unit})/exe")


def test_a_service_runs_from_the_program_that_was_put_in_its_place(deployed: Platform) -> None:
    program = runs_from(deployed, "nginx")
    answer(deployed.lab, "vpsmanager", f"cp -p {program} {program}.new; mv {program}.new {program}")
    assert runs_from(deployed, "nginx") == f"{program} (deleted)"
    plan = deployed.project.deploy("--dry")
    assert "nginx.service" in plan.text and "its program was replaced" in plan.text, plan
    assert changed(deployed.converge()) == {("vpsmanager", "nginx"): 1}
    assert runs_from(deployed, "nginx") == program
    assert changed(deployed.converge()) == {}


def test_a_library_that_was_replaced_is_a_reason_as_well(deployed: Platform) -> None:
    process = answer(deployed.lab, "vpsmanager", "systemctl show -P MainPID nginx")
    find = f"awk '$2 == \"r-xp\" && /libpcre2-8/ {{print $6}}' /proc/{process}/maps"
    library = answer(deployed.lab, "vpsmanager", find)
    assert library.startswith("/usr/lib/")
    answer(deployed.lab, "vpsmanager", f"cp -p {library} {library}.new; mv {library}.new {library}")
    assert ("vpsmanager", "nginx") in changed(deployed.converge())
    assert changed(deployed.converge()) == {}


def test_a_service_that_a_hold_of_ours_left_off_is_started(deployed: Platform) -> None:
    """By a condition, as releases before this one held services, and by a command."""
    for hold in ("[Unit]\\nConditionPathExists=!/proc/1\\n", "[Service]\\nExecCondition=false\\n"):
        answer(
            deployed.lab,
            "vpsmanager",
            f"mkdir -p {DROP_INS}; printf '{hold}' > {DROP_INS}/chom-hold.conf;"
            " systemctl daemon-reload; systemctl restart alloy;"
            f" rm {DROP_INS}/chom-hold.conf; systemctl daemon-reload",
        )
        assert state_of(deployed, "alloy") == "inactive"
        assert changed(deployed.converge()) == {("vpsmanager", "log_shipper"): 1}
        assert state_of(deployed, "alloy") == "active"
        assert changed(deployed.converge()) == {}


def test_a_service_that_its_operator_holds_is_left_alone(deployed: Platform) -> None:
    """Whatever else is true of a server without its logs, which verify tells."""
    hold = "[Unit]\\nConditionPathExists=/etc/chom/there-is-no-such-file\\n"
    release = f"rm {DROP_INS}/operator.conf; systemctl daemon-reload"
    deployed.unsettle()
    answer(
        deployed.lab,
        "vpsmanager",
        f"mkdir -p {DROP_INS}; printf '{hold}' > {DROP_INS}/operator.conf;"
        " systemctl daemon-reload; systemctl restart alloy",
    )
    outcome = deployed.project.deploy("-y", "--limit", "vpsmanager")
    assert outcome.code == 0, outcome
    assert changed(deployed.project.record()) == {}
    assert state_of(deployed, "alloy") == "inactive"
    answer(deployed.lab, "vpsmanager", release)
    assert changed(deployed.converge()) == {("vpsmanager", "log_shipper"): 1}


@pytest.fixture
def broken(deployed: Platform) -> Iterator[Platform]:
    """The log shipper of one machine is a program that panics."""
    deployed.unsettle()
    lab = deployed.lab
    answer(lab, "vpsmanager", f"cp -p {ALLOY} /root/alloy")
    lab.run(
        "vpsmanager",
        f"cat > {ALLOY}.new; chmod 755 {ALLOY}.new; mv {ALLOY}.new {ALLOY}",
        input=PANIC,
    )
    answer(lab, "vpsmanager", "systemctl restart alloy || :")
    yield deployed
    answer(lab, "vpsmanager", f"mv /root/alloy {ALLOY}")
    deployed.converge()


def test_a_service_that_panics_fails_its_target_by_name_and_says_why(broken: Platform) -> None:
    outcome = broken.deploy()
    assert outcome.code == 1, outcome
    assert "alloy.service: " in outcome.text
    assert "panic: operation not permitted" in outcome.text
    record = broken.project.record()
    error = record.targets["vpsmanager"].error
    assert record.targets["vpsmanager"].status == "failed" and error
    assert "panic: operation not permitted" in error.output
    assert "goroutine 30 [running]:" not in error.output


def check_script(checker: Checker) -> str:
    return replace_script("/etc/chom-check/a.conf", "644", "root", "root", checker)


def checked(lab: Lab, command: str, sandbox: Sandbox, user: str = "root") -> tuple[bool, str]:
    """Whether a file took its place after this check, and what was said."""
    answer(lab, "vpsmanager", "rm -rf /etc/chom-check")
    script = check_script(Checker(command, sandbox, user))
    done = lab.run("vpsmanager", script, input="new", check=False)
    files = answer(lab, "vpsmanager", "cat /etc/chom-check/* 2>/dev/null || :")
    assert answer(lab, "vpsmanager", "ls -A /run/chom/check") == ""
    assert files == ("new" if done.returncode == 0 else "")
    return done.returncode == 0, done.stderr


def test_a_checker_runs_as_the_unit_runs(deployed: Platform) -> None:
    lab = deployed.lab
    sees_file = "grep -qx new /etc/chom-check/a.conf"
    assert checked(lab, f'{sees_file} && [ "$(id -un)" = nobody ]', Sandbox(), "nobody")[0]
    assert not checked(lab, "echo no >&2; exit 3", Sandbox())[0]
    compiler = f"python3 -c {json.dumps(WRITE_EXECUTE)}"
    assert checked(lab, compiler, Sandbox(jit=True))[0]
    passed, said = checked(lab, compiler, Sandbox())
    assert not passed and "PermissionError" in said and "refused by its checker" in said
    assert not checked(lab, "touch /var/lib/x", Sandbox())[0]
    assert checked(lab, "touch /var/lib/x; rm /var/lib/x", Sandbox(writes=("/var/lib",)))[0]

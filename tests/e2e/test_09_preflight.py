"""What a machine must be is found out before anything changes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.machines import all_units, answer, listeners, page
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed

WRONG = "0" * 64


@pytest.fixture
def debian_12(deployed: Platform) -> Iterator[Platform]:
    """vpsmanager says that it is a Debian 12, and is mended afterwards."""
    etc = deployed.lab.rootfs("vpsmanager") / "etc"
    files = [(etc / "../usr/lib/os-release").resolve(), etc / "debian_version"]
    texts = [path.read_text() for path in files]
    release = texts[0].replace('VERSION_ID="13"', 'VERSION_ID="12"')
    assert release != texts[0]
    files[0].write_text(release)
    files[1].write_text("12.11\n")
    yield deployed
    for path, text in zip(files, texts, strict=True):
        path.write_text(text)


class Clock:
    """Machines whose ``date`` tells another time."""

    def __init__(self, platform: Platform) -> None:
        self._lab = platform.lab
        self._off: list[Path] = []

    def set_off(self, machine: str, seconds: int) -> None:
        path = self._lab.rootfs(machine) / "usr/local/bin/date"
        path.write_text(f'#!/bin/sh\nexec /usr/bin/date -d "{seconds:+d} sec" "$@"\n')
        path.chmod(0o755)
        self._off.append(path)

    def mend(self) -> None:
        for path in self._off:
            path.unlink()


@pytest.fixture
def clock(deployed: Platform) -> Iterator[Clock]:
    """Clocks that can be set off, and are mended afterwards."""
    clock = Clock(deployed)
    yield clock
    clock.mend()


def test_other_system_is_left_out_alone(debian_12: Platform) -> None:
    units = all_units(debian_12.lab)
    outcome = debian_12.project.deploy()
    assert outcome.code == 1, outcome
    assert "operating system: found Debian 12.11, expected Debian 13" in outcome.text
    assert "install Debian 13" in outcome.text

    record = debian_12.project.record()
    assert record.status == "failed"
    assert record.targets["observability"].status == "completed"
    target = record.targets["vpsmanager"]
    assert target.status == "failed" and target.components == {}
    assert target.error is not None and target.error.stage == "preflight"
    assert "found Debian 12.11, expected Debian 13" in target.error.message
    assert "install Debian 13" in (target.error.remedy or "")
    assert all_units(debian_12.lab) == units


def test_specs_that_differ_are_a_note(deployed: Platform) -> None:
    specs = {
        "targets.vpsmanager.specs": {"cpu": 7, "memory_mb": 16384},
        "targets.observability.specs": {"cpu": 1, "memory_mb": 2048},
    }
    outcome = deployed.project.deploy("-y", changes=specs)
    assert outcome.code == 0, outcome
    notes = [line for line in outcome.text.splitlines() if "specs." in line]
    assert len(notes) == 2
    assert "vpsmanager: specs.cpu: found 2 detected, expected 7" in notes[0]
    assert "vpsmanager: specs.memory_mb: found 4096 detected, expected 16384" in notes[1]
    assert changed(deployed.project.record()) == {}


@pytest.mark.parametrize("machine", ["observability", "vpsmanager"])
def test_hardware_is_kept(deployed: Platform, machine: str) -> None:
    kept = json.loads((deployed.project.state / "hardware" / f"{machine}.json").read_text())
    size = deployed.lab.machine(machine).size
    assert (kept["cpu"], kept["memory_mb"]) == (size.vcpus, size.memory_mb)
    assert kept["os"].startswith("Debian 13")


def test_too_small_a_machine_is_left_out(deployed: Platform) -> None:
    needed = {"settings.preflight.vpsmanager.memory_mb": 8192}
    outcome = deployed.project.deploy("-y", changes=needed)
    assert outcome.code == 1, outcome
    assert "memory: found 4096 MB, expected at least 8192 MB" in outcome.text
    assert deployed.project.record().targets["observability"].status == "completed"


def test_no_target_left_changes_nothing(deployed: Platform) -> None:
    known = len(deployed.project.records())
    needed = {
        f"settings.preflight.{role}.memory_mb": 8192 for role in ("observability", "vpsmanager")
    }
    outcome = deployed.project.deploy("-y", changes=needed)
    assert outcome.code == 1, outcome
    assert "no target can be deployed to; nothing was changed" in outcome.text.lower()
    assert len(deployed.project.records()) == known


def test_all_problems_of_all_targets_are_one_report(
    deployed: Platform, tmp_path: Path, clock: Clock
) -> None:
    """Also those of a target that nobody could connect to, and without changing anything."""
    (tmp_path / "known_hosts").touch()
    clock.set_off("observability", 400)
    changes = {
        "targets.vpsmanager.ssh.known_hosts": str(tmp_path / "known_hosts"),
        "settings.preflight.observability.memory_mb": 65536,
        "targets.observability.specs": {"cpu": 7},
    }
    known = len(deployed.project.records())
    settings = yaml.safe_load(deployed.project.inventory().read_text())["settings"]
    # The lab's is Debian's, which is older than the fixes of known vulnerabilities.
    prometheus = settings["prometheus"]["version"]
    outcome = deployed.project.deploy("--dry", changes=changes)
    assert outcome.code == 1, outcome
    report = outcome.text.partition("RAM(MB)")[2].splitlines()
    lines = [line.strip() for line in report]
    found = [line.split(": ")[:2] for line in lines if line.startswith(("✗", "!"))]
    assert found == [
        ["✗ observability", "memory"],
        ["✗ observability", "clock"],
        ["! observability", "specs.cpu"],
        ["! observability", f"prometheus {prometheus}"],
        ["✗ vpsmanager", "host key"],
    ]
    assert "3 problems and 2 warnings on observability, vpsmanager" in outcome.text
    assert len([line for line in lines if line.startswith("do: ")]) == 5
    assert "No target can be deployed to; nothing was changed" in outcome.text
    assert len(deployed.project.records()) == known


def test_nobody_to_connect_to(deployed: Platform) -> None:
    """One address leads nowhere; at the other's port a web server answers, and then nobody."""
    changes = {"targets.vpsmanager.ssh.port": 80, "targets.observability.address": "nobody.invalid"}
    outcome = deployed.project.deploy("-y", changes=changes)
    assert outcome.code == 1, outcome
    place = f"✗ vpsmanager: connection: found port 80 of {deployed.address('vpsmanager')}"
    assert f"{place} takes connections, but does not speak SSH" in outcome.text, outcome
    assert "✗ observability: address: found nobody.invalid" in outcome.text
    assert "targets.vpsmanager.ssh.port" in outcome.text
    assert "targets.observability.address" in outcome.text
    assert "2 problems on observability, vpsmanager" in outcome.text

    answer(deployed.lab, "vpsmanager", "systemctl stop nginx")
    try:
        outcome = deployed.project.deploy("--dry", changes=changes)
    finally:
        answer(deployed.lab, "vpsmanager", "systemctl start nginx")
    assert outcome.code == 1, outcome
    assert f"{place} is closed" in outcome.text, outcome


@pytest.mark.parametrize(
    ("off_s", "code", "words"),
    [(100, 0, "s ahead of this computer's"), (-400, 1, "s behind this computer's")],
)
def test_clock_that_is_off(
    deployed: Platform, clock: Clock, off_s: int, code: int, words: str
) -> None:
    """The kernel lets no container set the clock, so ``date`` tells another time."""
    clock.set_off("vpsmanager", off_s)
    outcome = deployed.project.deploy("-y")
    assert outcome.code == code, outcome
    mark = "✗" if code else "!"
    [line] = [each for each in outcome.text.splitlines() if f"{mark} vpsmanager: clock" in each]
    [told] = [int(word) for word in line.split() if word.isdecimal()][:1]
    assert words in line and abs(told - abs(off_s)) <= 10
    assert "timedatectl set-ntp true" in outcome.text
    assert deployed.project.record().targets["observability"].status == "completed"


def test_apt_at_work_is_told(deployed: Platform) -> None:
    """By a real apt-get, which holds its locks and then changes nothing."""
    lab = deployed.lab
    waits = "DPkg::Pre-Invoke::=sleep 60; false"
    answer(
        lab,
        "vpsmanager",
        f"systemd-run --collect --unit=busy apt-get -y -o '{waits}' remove ufw",
    )
    try:
        pid = answer(lab, "vpsmanager", "systemctl show -p MainPID --value busy")
        wait_for("apt's lock", lambda: _holds(deployed, pid))
        outcome = deployed.project.deploy("--dry")
    finally:
        answer(lab, "vpsmanager", "systemctl kill -s KILL busy")
    assert outcome.code == 0, outcome
    assert f"! vpsmanager: apt: found at work: apt-get (pid {pid}), running for" in outcome.text
    assert "the deploy waits for it" in outcome.text
    assert "observability: apt" not in outcome.text


def test_lists_that_somebody_fetches_are_waited_for(deployed: Platform) -> None:
    """As a server does when it boots; apt itself would give up at once."""
    lab = deployed.lab
    deployed.unsettle()
    answer(lab, "vpsmanager", "touch -d '3 days ago' /var/lib/apt/lists")
    holds = "f = open('/var/lib/apt/lists/lock', 'w'); fcntl.lockf(f, fcntl.LOCK_EX)"
    script = f"import fcntl, time; {holds}; time.sleep(12)"
    answer(lab, "vpsmanager", f'systemd-run --collect --unit=fetching python3 -c "{script}"')
    pid = answer(lab, "vpsmanager", "systemctl show -p MainPID --value fetching")
    wait_for("the lists' lock", lambda: _holds(deployed, pid))
    outcome = deployed.project.deploy("-y", "--limit", "vpsmanager")
    assert outcome.code == 0, outcome
    assert f"! vpsmanager: apt: found at work: python3 (pid {pid})" in outcome.text
    assert set(changed(deployed.project.record())) == {("vpsmanager", "base")}


def test_port_that_another_program_has(deployed: Platform) -> None:
    lab = deployed.lab
    deployed.unsettle()
    answer(lab, "observability", "systemctl stop nginx")
    squatter = "systemd-socket-activate --listen=0.0.0.0:80 sleep infinity"
    answer(lab, "observability", f"systemd-run --collect --unit=squatter {squatter}")
    try:
        wait_for("the squatter", lambda: listeners(lab, "observability", 80))
        outcome = deployed.project.deploy("--dry")
    finally:
        answer(lab, "observability", "systemctl stop squatter")
        answer(lab, "observability", "systemctl start nginx")
    assert outcome.code == 1, outcome
    report = [each for each in outcome.text.splitlines() if "✗ observability" in each]
    [line] = [each for each in report if "port 80" in each]
    assert "✗ observability: port 80: found systemd-socket-" in line
    assert "squatter.service" in line and "expected nobody but nginx.service" in line
    assert "systemctl disable --now squatter.service" in outcome.text
    deployed.converge()


def _holds(platform: Platform, pid: str) -> bool:
    locks = answer(platform.lab, "vpsmanager", "cat /proc/locks").splitlines()
    return any(pid in line.split() for line in locks)


def test_wrong_checksum_stops_before_anything_is_unpacked(deployed: Platform) -> None:
    units = all_units(deployed.lab)
    text = deployed.project.inventory().read_text()
    architecture = "arm64" if "arm64:" in text else "amd64"
    outcome = deployed.deploy({"settings.prometheus.sha256": {architecture: WRONG}})
    assert outcome.code == 1, outcome
    error = deployed.project.record().targets["observability"].error
    assert error is not None and error.component == "prometheus"
    [words] = [line for line in error.output if "sha256" in line]
    [came] = [word for word in text.replace("}", " ").split() if len(word) == 64]
    assert f"expected sha256 {WRONG}" in words and f"but {came} came" in words
    assert words in outcome.text

    opt = deployed.lab.rootfs("observability") / "opt/prometheus"
    assert sorted(opt.glob(".*")) == []
    assert all_units(deployed.lab) == units
    assert page(f"http://{deployed.address('observability')}:9090/-/ready")[0] == 200
    assert changed(deployed.converge()) == {}

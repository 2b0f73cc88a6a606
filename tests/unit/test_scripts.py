"""The shell scripts of the operations, run for real in a folder of their own."""

import hashlib
import os
import pwd
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facts.services import APT_LOCK, answers
from tasks.artifacts import Artifact
from tasks.asking import series_found
from tasks.operations import artifacts
from tasks.operations.apt import apt_script, sources_text
from tasks.operations.artifacts import artifact_script, fetch_ahead
from tasks.operations.files import replace_script
from tasks.operations.services import service_script, waiting

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = str(os.getgid())


def sh(script: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", "-c", script],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **environment},
    )


def stub(folder: Path, programs: Mapping[str, str]) -> str:
    """Programs of this name that only do as told; returns a PATH that finds them first."""
    for name, body in programs.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "a.conf"
    done = sh(replace_script(str(target), "640", ME, MY_GROUP, None), "one\n")
    assert done.returncode == 0, done.stderr
    assert target.read_text() == "one\n"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in target.parent.iterdir()] == ["a.conf"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a.conf"
    target.write_text("old\n")
    done = sh(replace_script(str(target), "640", "no-such-user", MY_GROUP, None), "new\n")
    assert done.returncode != 0
    assert target.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.conf"]


def test_a_refused_file_leaves_the_old_one(tmp_path: Path) -> None:
    """Without root there is no mount namespace, so ``unshare`` only runs its script here."""
    folder = tmp_path / "etc"
    folder.mkdir()
    target = folder / "a.conf"
    target.write_text("old\n")
    programs = {
        "unshare": 'shift; exec "$@"',
        "mount": "true",
        "checker": "echo bad line 3; exit 1",
    }
    (tmp_path / "bin").mkdir()
    path = stub(tmp_path / "bin", programs)
    script = replace_script(str(target), "644", ME, MY_GROUP, "checker")
    script = script.replace("/run/chom", str(tmp_path / "run"))
    done = sh(script, "new\n", PATH=path)
    assert done.returncode == 1
    assert done.stderr == (
        "bad line 3\nthe new a.conf was refused by its checker; the old one stays\n"
    )
    assert target.read_text() == "old\n"
    stub(tmp_path / "bin", {**programs, "checker": "echo fine"})
    done = sh(script, "new\n", PATH=path)
    assert (done.returncode, done.stderr, target.read_text()) == (0, "", "new\n")
    assert [each.name for each in folder.iterdir()] == ["a.conf"]


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    release = tmp_path / "thing-1.0"
    release.mkdir()
    (release / "program").write_text("#!/bin/sh\n")
    archive = tmp_path / "thing-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(release, arcname="thing-1.0")
    return archive


needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None, reason="curl fetches the artifact: apt-get install curl"
)


@pytest.fixture
def thing(tmp_path: Path, tarball: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """What the tarball is as an artifact; apt's cache is a folder of the test's."""
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(artifacts, "AHEAD", f"{tmp_path}/cache/chom-")
    sha256 = hashlib.sha256(tarball.read_bytes()).hexdigest()
    return Artifact(tarball.as_uri(), sha256, str(tmp_path / "opt" / "thing" / "1.0"))


def unpacked(tmp_path: Path) -> list[str]:
    """What is in the artifact's folder; there is nothing else beside it, nor in apt's cache."""
    into = tmp_path / "opt" / "thing" / "1.0"
    assert [path.name for path in into.parent.iterdir()] == ["1.0"]
    assert list((tmp_path / "cache").iterdir()) == []
    return sorted(path.name for path in into.iterdir())


@needs_curl
def test_an_artifact_is_unpacked_with_its_checksum(tmp_path: Path, thing: Artifact) -> None:
    for _ in range(2):
        done = sh(artifact_script(thing))
        assert done.returncode == 0, done.stderr
    assert unpacked(tmp_path) == [".sha256", "program"]
    assert Path(thing.marker).read_text() == f"{thing.sha256}\n"


@needs_curl
def test_a_wrong_checksum_unpacks_nothing(tmp_path: Path, thing: Artifact) -> None:
    done = sh(artifact_script(replace(thing, sha256="0" * 64)))
    assert done.returncode == 1
    assert (
        f"expected sha256 {'0' * 64}, but {thing.sha256} came; nothing was unpacked" in done.stderr
    )
    assert list(Path(thing.into).parent.iterdir()) == []


# Fetches what it is told to as apt's helper does, from the second try on.
FETCHES = """[ -e {tmp}/tried ] || {{ touch {tmp}/tried; exit 1; }}
sleep 0.2; cp {tarball} "$2"; touch {tmp}/fetched"""


def test_what_came_beside_apt_is_not_fetched_again(
    tmp_path: Path, tarball: Path, thing: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = FETCHES.format(tmp=tmp_path, tarball=tarball)
    path = stub(tmp_path, {"helper": helper, "curl": f"touch {tmp_path}/curled; exit 1"})
    monkeypatch.setattr(artifacts, "HELPER", "helper")
    # The shell lives as long as apt has work to do; what was begun goes on behind it.
    begun = sh(f"{fetch_ahead(thing)} sleep 2.1", PATH=path)
    assert (begun.returncode, begun.stdout, begun.stderr) == (0, "", "")
    done = sh(artifact_script(thing), PATH=path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "fetched").exists()
    assert not (tmp_path / "curled").exists()
    assert unpacked(tmp_path) == [".sha256", "program"]


@needs_curl
def test_what_could_not_be_fetched_beside_apt_is_fetched_now(
    tmp_path: Path, thing: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = f'echo half > "$2"; touch {tmp_path}/tried; exit 1'
    path = stub(tmp_path, {"helper": helper})
    monkeypatch.setattr(artifacts, "HELPER", "helper")
    sh(f"{fetch_ahead(thing)} sleep 0.2", PATH=path)
    assert (tmp_path / "tried").exists()
    done = sh(artifact_script(thing), PATH=path)
    assert done.returncode == 0, done.stderr
    assert unpacked(tmp_path) == [".sha256", "program"]


SYSTEMCTL = """case "$*" in
*is-active*) exit {active} ;;
*is-failed*) exit {failed} ;;
*ConditionResult*) echo ConditionResult={condition}; echo Job={job}; {exec_condition} ;;
*NRestarts*) echo >> "$LOG.asked"; n=$(wc -l < "$LOG.asked"); echo $(({restarts})) ;;
*) echo "$@" >> "$LOG"; exit {status} ;;
esac"""


@pytest.mark.parametrize(
    ("active", "failed", "condition", "job", "restarts", "status", "code", "words"),
    [
        (0, 1, "yes", "", 0, 0, 0, ""),
        (
            1,
            0,
            "yes",
            "",
            0,
            0,
            1,
            "a.service: it failed to start; its journal says:\nboom",
        ),
        (1, 1, "yes", "", 0, 0, 1, "a.service: not ready within 1 s; its journal says"),
        (1, 1, "yes", "", "3 * n", 0, 1, "a.service: it ends again and again; its journal says"),
        # Long ago, or of another start.
        (1, 1, "yes", "", 7, 0, 1, "a.service: not ready within 1 s; its journal says"),
        (1, 1, "yes", "", "n < 2 ? 7 : 0", 0, 1, "a.service: not ready within 1 s; its journal"),
        (1, 1, "no", "", 0, 0, 0, ""),
        (1, 1, "met", "", 0, 0, 1, "a.service: not ready within 1 s; its journal says"),
        (1, 1, "held", "", 0, 0, 1, "a.service: not ready within 1 s; its journal says"),
        (1, 1, "operator", "", 0, 0, 0, ""),
        (1, 1, "no", "7", 0, 0, 1, "a.service: not ready within 1 s; its journal says"),
        (
            0,
            1,
            "yes",
            "",
            0,
            1,
            1,
            "a.service: systemctl failed; its journal says:\nboom",
        ),
    ],
    ids=[
        *(
            "ready",
            "failed",
            "never ready",
            "restarting",
            "restarted before",
            "counted anew",
            "kept off",
            "was kept off",
        ),
        *("held by apt", "held by its operator", "yet to start", "systemctl"),
    ],
)
def test_a_service_is_awaited(
    tmp_path: Path,
    active: int,
    failed: int,
    condition: str,
    job: str,
    restarts: int | str,
    status: int,
    code: int,
    words: str,
) -> None:
    """``condition``: whether it held at the last start, and who it is of.

    ``restarts``: what systemd counts, when it is asked for the ``n``-th time.
    """
    commands = {"held": f"echo ExecCondition={APT_LOCK}", "operator": "echo ExecCondition=mine"}
    systemctl = SYSTEMCTL.format(
        active=active,
        failed=failed,
        condition="yes" if condition == "yes" else "no",
        exec_condition=commands.get(condition, "true"),
        job=job,
        restarts=restarts,
        status=status,
    )
    analyze = "false" if condition == "no" else "true"
    path = stub(
        tmp_path,
        {"systemctl": systemctl, "journalctl": "echo boom", "systemd-analyze": analyze},
    )
    steps = ["systemctl restart a.service"]
    script = service_script("a.service", steps) + waiting("a.service", None, 1)
    done = sh(script, PATH=path, LOG=str(tmp_path / "log"))
    assert done.returncode == code
    assert done.stderr.startswith(words)
    assert (tmp_path / "log").read_text() == "restart a.service\n"


def test_only_the_unit_itself_answers_for_it(tmp_path: Path) -> None:
    """``ss`` names this very process, which is no part of the unit."""
    path = stub(tmp_path, {"ss": f"echo 'users:((\"x\",pid={os.getpid()},fd=3))'", "curl": "true"})
    assert sh(answers("no-such.service", "http://127.0.0.1:9/"), PATH=path).returncode == 1
    cgroup = Path("/proc/self/cgroup").read_text().strip().rpartition("/")[2]
    if cgroup:
        assert sh(answers(cgroup, "http://127.0.0.1:9/"), PATH=path).returncode == 0


def test_one_apt_transaction_does_what_is_needed_only() -> None:
    both = apt_script(["nginx", "curl"], True, 300)
    assert "apt-get" in both and " update;" in both and "install nginx curl" in both
    assert "DPkg::Lock::Timeout=300" in both
    assert " install " not in apt_script([], True, 300)
    assert " update;" not in apt_script(["nginx"], False, 300)


@pytest.mark.parametrize(
    ("says", "tries", "succeeds"),
    [
        ("E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt)", 3, True),
        ("E: Failed to fetch it", 1, False),
    ],
)
def test_lists_that_somebody_fetches_are_waited_for(
    tmp_path: Path, says: str, tries: int, succeeds: bool
) -> None:
    script = apt_script([], True, 300).replace("/usr/sbin/policy-rc.d", str(tmp_path / "policy"))
    script = script.replace("/run/chom", str(tmp_path / "run"))
    script = script.replace("/var/log/chom-apt.log", str(tmp_path / "log"))
    tried = tmp_path / "tried"
    apt = f'echo >> {tried}; [ $(wc -l < {tried}) -ge 3 ] || {{ echo "{says}" >&2; exit 100; }}'
    programs = {"dpkg": "true", "apt-get": apt, "systemctl": "true", "sleep": "true",
                "touch": "true"}  # fmt: skip
    done = sh(script, PATH=stub(tmp_path, programs))
    assert (done.returncode == 0) == succeeds, done
    assert len(tried.read_text().splitlines()) == tries


class FakeApt:
    """An apt transaction of ours in a folder, with a fake apt-get that runs a command meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.policy = folder / "policy-rc.d"
        self.hold = folder / "units/alloy.service.d/chom-hold.conf"

    def run(self, meanwhile: str, *arguments: Any, is_active: bool = True) -> str:
        """Everything that the transaction logged."""
        script = apt_script(*arguments)
        for path, ours in (
            ("/usr/sbin/policy-rc.d", self.policy),
            ("/run/systemd/system", self.folder / "units"),
            ("/run/chom", self.folder / "run"),
            ("/var/lib/chom", self.folder / "lib"),
            ("/var/log/chom-apt.log", self.folder / "log"),
        ):
            script = script.replace(path, str(ours))
        systemctl = f'case "$*" in (*is-active*) {str(is_active).lower()};; esac'
        programs = {
            "apt-get": f'case "$*" in (*" install "*) {meanwhile};;'
            f" (*-s*) cat {self.updates};; esac",
            "dpkg": "true",
            "systemctl": systemctl,
        }
        (self.folder / "bin").mkdir(exist_ok=True)
        done = sh(script, PATH=stub(self.folder / "bin", programs))
        assert done.returncode == 0, done.stderr
        assert not self.policy.exists() and not self.hold.exists()
        return (self.folder / "log").read_text()

    @property
    def updates(self) -> Path:
        path = self.folder / "updates"
        path.touch()
        return path


@pytest.fixture
def apt(tmp_path: Path) -> FakeApt:
    return FakeApt(tmp_path)


def test_services_of_new_packages_are_held_back_while_apt_runs_only(apt: FakeApt) -> None:
    """The policy answers 101 (do not start) for as long as the transaction's lock is taken."""
    kept = apt.folder / "kept"
    log = apt.run(
        f"cp {apt.policy} {kept}; {apt.policy} x start; echo during=$?", ["nginx"], False, 1
    )
    assert "during=101" in log
    assert sh(f"sh {kept} x start").returncode == 0


@pytest.mark.parametrize(
    ("action", "is_active", "code"),
    [("restart", True, 0), ("try-restart", True, 0), ("restart", False, 101), ("stop", True, 101)],
)
def test_a_running_service_may_restart_when_its_package_is_upgraded(
    apt: FakeApt, action: str, is_active: bool, code: int
) -> None:
    asked = f"{apt.policy} ssh.service {action}; echo said=$?"
    assert f"said={code}" in apt.run(asked, ["nginx"], False, 1, is_active=is_active)


def test_only_packages_that_are_not_installed_yet_are_held(apt: FakeApt) -> None:
    """The hold's own command fails while the transaction has its lock, and no longer."""
    command = "sed -n s/^ExecCondition=+//p"
    kept = apt.folder / "kept"
    meanwhile = (
        f"ls {apt.folder}/units; {command} {apt.hold} > {kept}; sh {kept}; echo condition=$?"
    )
    log = apt.run(meanwhile, ["alloy=1.19.0-1", "loki=3.7.6"], False, 1, ["alloy=1.19.0-1"])
    assert "alloy.service.d\n" in log and "loki.service.d" not in log
    assert "condition=1" in log
    assert sh(f"sh {kept}").returncode == 0


def test_pending_security_updates_come_with_the_first_transaction(apt: FakeApt) -> None:
    apt.updates.write_text(
        "Inst libssl3t64 [3.5.1-1] (3.5.4-1 Debian-Security:13/stable-security [amd64])\n"
        "Inst tzdata [2025b-4] (2025c-1 Debian:13.2/stable-updates [all])\n"
        "Inst linux-image-6.12 (6.12.57-1 Debian-Security:13/stable-security [amd64])\n"
        "Conf libssl3t64 (3.5.4-1 Debian-Security:13/stable-security [amd64])\n"
    )
    words = 'for w; do :; done; echo "last=$w"'
    assert "last=libssl3t64\n" in apt.run(words, ["nginx"], True, 1, ["nginx"], True)
    assert "last=nginx\n" in apt.run(words, ["nginx"], True, 1, ["nginx"], False)


def test_a_failing_apt_shows_the_end_of_its_log(tmp_path: Path) -> None:
    script = apt_script(["nginx"], False, 1).replace("/run/chom", str(tmp_path / "run"))
    script = script.replace("/usr/sbin/policy-rc.d", str(tmp_path / "policy-rc.d"))
    script = script.replace("/var/log/chom-apt.log", str(tmp_path / "log"))
    programs = {
        "apt-get": "echo E: Unable to locate package nginx; exit 100",
        "dpkg": "true",
        "systemctl": "true",
    }
    (tmp_path / "bin").mkdir()
    done = sh(script, PATH=stub(tmp_path / "bin", programs))
    assert done.returncode == 1
    assert done.stderr == "E: Unable to locate package nginx\n"
    assert not (tmp_path / "policy-rc.d").exists()


def test_missing_suites_become_deb822_stanzas() -> None:
    text = sources_text({"trixie-security": "http://mirror.example/debian-security"})
    assert (
        "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: trixie-security\n" in text
    )
    assert "Signed-By: /usr/share/keyrings/" in text


def test_what_prometheus_does_not_see_up_is_named(tmp_path: Path) -> None:
    answered = """echo '{"result":[{"metric":{"job":"node","target":"a"},"value":[1,"1"]}]}'"""
    path = stub(tmp_path, {"curl": answered})
    seen, others = (
        {"job": "node", "target": "a"},
        [{"job": "node", "target": "b"}, {"job": "redis"}],
    )
    done = sh(series_found("http://x/", "up", [seen], missing="not up"), PATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    done = sh(series_found("http://x/", "up", [seen, *others], missing="not up"), PATH=path)
    assert done.returncode != 0
    assert done.stderr.splitlines() == [
        'not up: {"job":"node","target":"b"}',
        'not up: {"job":"redis"}',
    ]

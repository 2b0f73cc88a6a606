"""A first deployment with everything against it: refused a package, interrupted twice, then done.

Each test goes on from where the one before left the machines; only vpsmanager matters here.
"""

import re
import signal
from dataclasses import dataclass

import pytest

from state.record import Record
from tests.e2e.command import Command, Outcome
from tests.e2e.machines import answer, page
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import DEPLOY, changed

# As a full disk or somebody's own hook would do it: nothing is wrong until apt is about to unpack.
HOOK = "/etc/apt/apt.conf.d/90forbidden"
REFUSAL = "packages are not welcome today"
HOOKED = f'DPkg::Pre-Install-Pkgs {{ "echo {REFUSAL} >&2; exit 1"; }};'
# Far below what the rest of the deployment would take.
SOON_S = 20


@dataclass(frozen=True)
class Refused:
    """A first run on fresh machines, of which vpsmanager must not install any package."""

    outcome: Outcome
    record: Record


@pytest.fixture(scope="module")
def refused(platform: Platform) -> Refused:
    """That run; afterwards nothing keeps the machine from installing them."""
    platform.refresh()
    answer(platform.lab, "vpsmanager", f"echo '{HOOKED}' > {HOOK}")
    outcome = platform.deploy()
    answer(platform.lab, "vpsmanager", f"rm {HOOK}")
    return Refused(outcome, platform.project.record())


@pytest.mark.drill
def test_packages_that_cannot_be_installed(refused: Refused) -> None:
    assert refused.outcome.code == 1, refused.outcome
    assert REFUSAL in refused.outcome.text
    failed = refused.record.targets["vpsmanager"]
    assert failed.status == "failed"
    assert failed.error is not None
    assert (failed.error.component, failed.error.exit_code) == ("base", 1)
    assert REFUSAL in "\n".join(failed.error.output)
    assert failed.components["mariadb"].started_at is None


@pytest.mark.drill
def test_other_target_does_all_that_it_can(refused: Refused) -> None:
    components = dict(refused.record.targets["observability"].components)
    proofs = [components.pop(name) for name in ("scraping", "logging")]
    assert {component.status for component in components.values()} == {"completed"}
    assert [proof.status for proof in proofs] == ["skipped", "skipped"]
    for proof in proofs:
        assert "log_shipper of vpsmanager was not completed" in (proof.reason or "")


@pytest.mark.drill
def test_ctrl_c_while_apt_works(refused: Refused, platform: Platform) -> None:
    log = platform.lab.rootfs("vpsmanager") / "var/log/chom-apt.log"
    before = log.stat().st_mtime_ns
    command = platform.project.start(*DEPLOY, "-y")
    wait_for("apt", lambda: not command.running() or log.stat().st_mtime_ns != before, every_s=0.01)
    _interrupt(platform, command, signal.SIGINT, 130)


@pytest.mark.drill
def test_termination_while_the_next_run_waits_for_apt(refused: Refused, platform: Platform) -> None:
    command = platform.project.start(*DEPLOY, "-y")
    base = re.compile(r"vpsmanager +base \(1 of ")
    wait_for("its lane", lambda: not command.running() or base.search(command.printed()))
    _interrupt(platform, command, signal.SIGTERM, 143)


@pytest.mark.drill
def test_next_run_converges_and_the_one_after_has_nothing_to_do(
    refused: Refused, platform: Platform
) -> None:
    record = platform.converge()
    assert {target.status for target in record.targets.values()} == {"completed"}
    assert page(f"http://{platform.address('vpsmanager')}/up")[0] == 200
    assert changed(platform.converge()) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_before_it_began(deployed: Platform, number: signal.Signals) -> None:
    known = len(deployed.project.records())
    command = deployed.project.start(*DEPLOY, "-y")
    wait_for("the connections", lambda: not command.running() or "Connecting" in command.printed())
    command.signal(number)
    outcome = command.wait(SOON_S)
    assert outcome.code == 128 + number, outcome
    assert len(deployed.project.records()) == known


def _interrupt(platform: Platform, command: Command, number: signal.Signals, code: int) -> None:
    """Interrupt a run that works on vpsmanager; it ends soon and in order."""
    platform.unsettle()
    assert command.running(), command.printed()
    command.signal(number)
    outcome = command.wait(SOON_S)
    assert outcome.code == code, outcome
    record = platform.project.record()
    assert record.status == "interrupted"
    assert record.completed_at is not None
    target = record.targets["vpsmanager"]
    assert target.status == "interrupted"
    assert target.components["base"].status == "interrupted"
    for each in record.targets.values():
        assert "running" not in {component.status for component in each.components.values()}

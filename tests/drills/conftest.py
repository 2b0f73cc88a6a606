"""One platform for all drills, deployed once, in which minutes are seconds."""

from collections.abc import Iterator

import pytest

from tests.drills.drill import Drills
from tests.e2e.labs import brought_up, need_root
from tests.e2e.mailbox import serve, trust
from tests.e2e.platform import Platform
from tests.e2e.project import Project
from tests.lab import Lab

NAME, SUBNET = "drills", "10.72.0.0/24"
USER, PASSWORD = "alerts@example.org", "of the mail server"
INTERVAL_S = 3
# Twice what the rules make of such intervals: see Timing.window.
GROUP_WAIT_S = 8 * INTERVAL_S
QUICK = {
    "settings.alerting.time_factor": 0.05,
    "settings.prometheus.scrape_interval_s": INTERVAL_S,
    # The machines show the load of the computer that carries them.
    "settings.alerting.load_per_cpu": 1000,
}
# Half an hour without a line in a log is an alert, and here that is a minute and a half.
HEARTBEAT = "systemd-run --on-active=1 --on-unit-active=20 logger 'still here'"
# Two a second: without visitors nobody is answered with errors.
VISITORS = (
    "systemd-run sh -c 'while sleep 0.5; do curl -s -o /dev/null -m 5 http://127.0.0.1/; done'"
)

_DRILLS = pytest.StashKey[Drills]()


@pytest.fixture(scope="session")
def drills(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Drills]:
    """The platform and its operator's mailbox."""
    need_root()
    with brought_up(Lab(NAME, SUBNET)) as lab:
        platform = Platform(lab, Project(tmp_path_factory.mktemp("project"), lab))
        with serve(str(lab.network.gateway), USER, PASSWORD) as mailbox:
            trust(lab, mailbox)
            platform.project.set_secrets({"SMTP_PASSWORD": PASSWORD})
            platform.converge({**mailbox.settings("operator@example.org"), **QUICK})
            for machine in lab.machines:
                lab.run(machine.name, HEARTBEAT)
            lab.run("vpsmanager", VISITORS)
            drills = Drills(platform, mailbox, GROUP_WAIT_S)
            pytestconfig.stash[_DRILLS] = drills
            yield drills


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """What the drills saw, in seconds."""
    if drills := config.stash.get(_DRILLS, None):
        terminalreporter.section("drills")
        for seen in drills.seen:
            kept_back = ", ".join(sorted(seen.kept_back)) or "nothing"
            terminalreporter.line(
                f"{seen.fault}: {seen.alert} mailed after {seen.mailed_s:.0f} s,"
                f" its end {seen.resolved_s:.0f} s after the repair; kept back: {kept_back}"
            )

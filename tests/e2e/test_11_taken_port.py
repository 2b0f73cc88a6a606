"""A service whose port somebody else has fails with its own words, on its target alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.machines import answer, listeners, page
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for

# Accepts connections and never says a word.
SILENT = "systemd-socket-activate --listen=0.0.0.0:9090 sleep infinity"
# Says to everything that all is well.
FRIENDLY = """perl -MIO::Socket::INET -e '
$server = IO::Socket::INET->new(LocalPort => 9093, Listen => 9, ReuseAddr => 1) or die $!;
while ($client = $server->accept) {
    sysread $client, $request, 4096;
    print $client "HTTP/1.0 200 OK\\r\\n\\r\\n";
    close $client;
}'"""
# What a minute of waiting for readiness and a first deployment take together, and much more.
LIMIT_S = 300


@pytest.mark.drill
def test_port_that_is_taken_on_a_fresh_machine(fresh: Platform) -> None:
    """The other target is completed all the same; once the port is free, this one is, too."""
    lab = fresh.lab
    with _squatter(fresh, SILENT, 9090):
        outcome = fresh.deploy(timeout_s=LIMIT_S)
    assert outcome.code == 1, outcome
    assert "address already in use" in outcome.text
    record = fresh.project.record()
    assert record.status == "failed"
    assert record.targets["vpsmanager"].status == "completed"
    assert page(f"http://{fresh.address('vpsmanager')}/up")[0] == 200

    target = record.targets["observability"]
    assert target.status == "failed"
    error = target.error
    assert error is not None
    assert (error.stage, error.component) == ("deploy", "prometheus")
    assert error.operation == "Service prometheus"
    assert error.exit_code == 1
    assert "address already in use" in "\n".join(error.output)
    names = list(target.components)
    later = names[names.index("prometheus") + 1 :]
    assert "nginx" in later
    assert {target.components[name].started_at for name in later} == {None}
    assert not (lab.rootfs("observability") / "etc/alertmanager").exists()

    record = fresh.converge()
    assert {each.status for each in record.targets.values()} == {"completed"}
    assert page(f"http://{fresh.address('observability')}:9090/-/ready")[0] == 200


def test_another_program_that_answers_is_not_the_service(deployed: Platform) -> None:
    lab = deployed.lab
    deployed.unsettle()
    answer(lab, "observability", "systemctl stop prometheus-alertmanager")
    with _squatter(deployed, FRIENDLY, 9093):
        outcome = deployed.deploy(timeout_s=LIMIT_S)
    assert outcome.code == 1, outcome
    error = deployed.project.record().targets["observability"].error
    assert error is not None and error.component == "readiness"
    assert error.output[0].startswith("prometheus-alertmanager.service: ")

    deployed.converge()
    running = answer(lab, "observability", "systemctl is-active prometheus-alertmanager")
    assert running == "active"


@contextmanager
def _squatter(platform: Platform, command: str, port: int) -> Iterator[None]:
    """A listener on observability that is there first."""
    lab = platform.lab
    answer(lab, "observability", f"systemd-run --collect --unit=squatter {command}")
    try:
        wait_for("the squatter", lambda: listeners(lab, "observability", port))
        yield
    finally:
        answer(lab, "observability", "systemctl stop squatter")

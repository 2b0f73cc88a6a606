"""A configuration that its service would refuse never takes the place of the one that works."""

from tests.e2e.machines import all_units, answer, page, restarted
from tests.e2e.platform import Platform

FOREIGN = "/etc/nginx/sites-enabled/foreign.conf"
CHANGES = {"targets.vpsmanager.settings.nginx.worker_connections": 2048}


def test_refused_configuration_stops_the_lane_and_changes_nothing(deployed: Platform) -> None:
    lab = deployed.lab
    config = lab.rootfs("vpsmanager") / "etc/nginx/nginx.conf"
    old, units = config.read_bytes(), all_units(lab)
    deployed.unsettle()
    answer(lab, "vpsmanager", f"echo 'server {{ nonsense on; }}' > {FOREIGN}")

    outcome = deployed.deploy(CHANGES)
    assert outcome.code == 1, outcome
    words = f'unknown directive "nonsense" in {FOREIGN}:1'
    assert words in outcome.text
    record = deployed.project.record()
    assert record.status == "failed"
    assert record.targets["observability"].status == "completed"
    error = record.targets["vpsmanager"].error
    assert error is not None
    assert (error.component, error.operation) == ("nginx", "File /etc/nginx/nginx.conf")
    assert words in "\n".join(error.output)
    assert record.targets["vpsmanager"].components["serving"].started_at is None

    assert config.read_bytes() == old
    assert sorted(config.parent.glob(".*")) == []
    # The other target goes on: its rules know how many connections there may be.
    assert all_units(lab)["vpsmanager"] == units["vpsmanager"]
    assert page(f"http://{deployed.address('vpsmanager')}/up")[0] == 200

    answer(lab, "vpsmanager", f"rm {FOREIGN}")
    deployed.converge(CHANGES)
    assert b"worker_connections 2048;" in config.read_bytes()
    assert restarted(units, all_units(lab)) == set()
    assert page(f"http://{deployed.address('vpsmanager')}/up")[0] == 200

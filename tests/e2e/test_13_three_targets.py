"""One observability and two vpsmanager machines, all fresh, in one run."""

import json

import pytest

from tests.e2e.machines import page
from tests.e2e.platform import Platform
from tests.e2e.project import changed

TARGETS = {"observability", "vpsmanager1", "vpsmanager2"}


@pytest.mark.drill
def test_three_targets_from_fresh(three: Platform) -> None:
    record = three.converge()
    assert set(record.targets) == TARGETS
    assert {target.status for target in record.targets.values()} == {"completed"}

    url = f"http://{three.address('observability')}:9090/api/v1/query?query=up"
    found = json.loads(page(url)[1])["data"]["result"]
    nodes = {
        each["metric"]["target"]: each["value"][1]
        for each in found
        if each["metric"]["job"] == "node"
    }
    assert nodes == dict.fromkeys(TARGETS, "1")
    for name in ("vpsmanager1", "vpsmanager2"):
        status, text = page(f"http://{three.address(name)}/")
        assert status == 200
        assert "reached: visit" in text

    assert changed(three.converge()) == {}

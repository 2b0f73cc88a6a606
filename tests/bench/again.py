"""A deploy of what is deployed: nothing to do, or one thing; near and far; and Ansible's part."""

import json
import sys
from itertools import count

from tests.bench import ansible
from tests.bench.measure import Measured
from tests.bench.relay import relaying
from tests.bench.runs import EMPTY, Runs, in_turns
from tests.bench.table import Row

DELAYS_MS = (20, 50, 100)


def rows(runs: Runs) -> list[Row]:
    """On machines that are deployed to; each figure is a median, all taken in turns."""
    runs.pyinfra("settled", "deploy.py")
    plays = [sys.executable, "-m", "pyinfra", "inventory.py", "tests/bench/playbook.py", "--dry"]
    rival = ansible.prepare(runs.lab, runs.logs / "ansible", plays, runs.environment)
    near = in_turns(
        {
            "empty": lambda: runs.pyinfra("empty", EMPTY),
            "unchanged": lambda: runs.pyinfra("unchanged", "deploy.py"),
            "plan": lambda: runs.pyinfra("plan", "deploy.py", "--dry"),
            "alone": lambda: runs.pyinfra("alone", "deploy.py", CHOM_FACTS="alone"),
            "ansible": lambda: rival.run("ansible"),
            "mitogen": lambda: rival.run("mitogen", mitogen=True),
        }
    )
    changed = {name: rival.changed(name) for name in ("ansible", "mitogen")}
    if any(changed.values()):
        raise RuntimeError(f"the playbook changes what deploy.py has made: {changed}")
    unchanged = near["unchanged"]
    template = _one_template(runs)
    trips = runs.round_trips("trips")
    return [
        Row("a run that changes nothing, against a deploy of nothing",
            unchanged, near["empty"], goal=3,
            limit="the targets answer on the controller's own processors here"),
        Row("… against the same with its facts asked one by one", unchanged, near["alone"]),
        Row(f"… against Ansible with the same {rival.tasks} resources",
            unchanged, near["ansible"], goal=1 / 15),
        Row("… against Ansible with Mitogen", unchanged, near["mitogen"], goal=1 / 5),
        Row("its round trips for each target, against 6", trips, 6, "", 1),
        Row("a plan where nothing is to change, against that run", near["plan"], unchanged,
            goal=1.5),
        Row("one changed template on one target, against that run", template, unchanged, goal=2,
            limit="from the first change on each fact is asked alone, and what was changed is"
            " verified"),
        *(_far(runs, delay_ms) for delay_ms in DELAYS_MS),
    ]  # fmt: skip


def _one_template(runs: Runs) -> float:
    """Another nginx.conf on one target: changed, checked, in force, proven."""
    numbers = count(1025)

    def deploy() -> Measured:
        setting = f"nginx.worker_connections={next(numbers)}"
        return runs.pyinfra("template", "deploy.py", "--limit", "vpsmanager", "--data", setting)

    seconds = in_turns({"template": deploy})["template"]
    runs.pyinfra("settled-again", "deploy.py")
    return seconds


def _far(runs: Runs, delay_ms: int) -> Row:
    """A run that changes nothing on targets so far away, against an empty run there and 1 s."""
    targets = {each.address: (each.address, 22) for each in runs.lab.machines}
    with relaying(targets, delay_ms / 1000) as places:
        led = {"module": "tests.bench.far", "BENCH_RELAYS": json.dumps(places)}
        found = in_turns(
            {
                "empty": lambda: runs.pyinfra(f"empty-{delay_ms}", EMPTY, **led),
                "unchanged": lambda: runs.pyinfra(f"unchanged-{delay_ms}", "deploy.py", **led),
            }
        )
    what = f"… {delay_ms} ms away, against a deploy of nothing there and 1 s"
    limit = (
        "the targets answer on the controller's own processors here, which takes half of that"
        " second without any delay; four or five round trips come one after the other"
    )
    return Row(what, found["unchanged"], found["empty"] + 1, goal=1, limit=limit)

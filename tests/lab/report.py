"""What the lab tells its user: a table for people, JSON for programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from tests.lab import paths
from tests.lab.lab import Lab
from tests.lab.shell import LabError
from tests.lab.state import State


def status(lab: Lab) -> dict[str, Any]:
    """Everything that a program may want to know of a lab."""
    found = lab.state()
    return {
        "name": lab.name,
        "running": lab.running(),
        "subnet": str(lab.network.subnet),
        "machines": [
            {
                "name": machine.name,
                "address": machine.address,
                "role": machine.role,
                "vcpus": machine.size.vcpus,
                "memory_mb": machine.size.memory_mb,
                **_process(found, machine.name),
            }
            for machine in lab.machines
        ],
        "mirror": {
            "url": lab.mirror_url,
            "pid": found.mirror.pid if found and found.mirror.alive() else None,
        },
        "apt_repository": _repository(lab),
        "inventory": os.path.relpath(lab.inventory, paths.PROJECT),
    }


def absent(name: str) -> dict[str, Any]:
    """The same for a lab that is not there."""
    return {
        "name": name,
        "running": False,
        "subnet": None,
        "machines": [],
        "mirror": {"url": None, "pid": None},
        "apt_repository": None,
        "inventory": None,
    }


def table(lab: Lab) -> str:
    """The machines, one a line, and where to go from there."""
    found = lab.state()
    option = "" if lab.name == "demo" else f" --name {lab.name}"
    rows = [("NAME", "ADDRESS", "SIZE", "STATE", "LOG IN")]
    for machine in lab.machines:
        size = f"{machine.size.vcpus} vCPU, {machine.size.memory_mb} MiB"
        running = _process(found, machine.name)["state"]
        login = f"python -m tests.lab ssh {machine.name}{option}"
        rows.append((machine.name, machine.address, size, running, login))
    inventory = os.path.relpath(lab.inventory, paths.PROJECT)
    return f"{columns(rows)}\ninventory: {inventory}\nmirror:    {lab.mirror_url}"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Lines whose cells stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _repository(lab: Lab) -> dict[str, Any] | None:
    try:
        repository = lab.apt_repository
    except LabError:
        return None
    return {
        "url": repository.url,
        "key_url": repository.key_url,
        "fingerprint": repository.fingerprint,
        "standins": list(repository.standins),
    }


def _process(found: State | None, machine: str) -> dict[str, Any]:
    booted = found.booted.get(machine) if found else None
    if booted and booted.alive():
        return {"state": "running", "pid": booted.pid}
    return {"state": "stopped", "pid": None}

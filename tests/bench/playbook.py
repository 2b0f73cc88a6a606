"""Writes what deploy.py declares as tasks of Ansible: one for each resource.

``pyinfra inventory.py tests/bench/playbook.py --dry``, with BENCH_PLAYBOOK naming the folder. What
has no module in ansible-core is a command that does nothing, which flatters Ansible.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, cast

import yaml
from pyinfra import host
from pyinfra.operations import files as pyinfra_files

from configs import Target
from facts.hardware import Hardware, HardwareData
from facts.health import Health
from state.run import current
from tasks.component import Site, declare
from tasks.operations import apt, files, services, users
from tasks.stacks import STACKS
from tests.bench.ansible import ONE_BY_ONE

run = current()


class Verbatim(str):
    """A text in which double braces mean nothing to Ansible."""


yaml.SafeDumper.add_representer(
    Verbatim, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text))
)
# systemd itself keeps it off in a container; Ansible would start it every time.
HELD_OFF = {"systemd-timesyncd.service"}
NOTHING = {"ansible.builtin.command": "true", "changed_when": False}


def _files(it: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_file(each) for each in it["files"]]


def _file(it: files.TextFile) -> dict[str, Any]:
    owned = {"owner": it.user, "group": it.group, "mode": it.mode.zfill(4)}
    if not it.content:  # which Ansible refuses
        return NOTHING
    return {"ansible.builtin.copy": {"dest": it.path, "content": Verbatim(it.content), **owned}}


def _directory(it: Mapping[str, Any]) -> list[dict[str, Any]]:
    owned = {"owner": it["user"], "group": it["group"], "mode": str(it["mode"]).zfill(4)}
    return [{"ansible.builtin.file": {"path": it["path"], "state": "directory", **owned}}]


def _user(it: Mapping[str, Any]) -> list[dict[str, Any]]:
    wanted = {"system": True, "home": it["home"], "shell": users.SHELL, "create_home": False}
    return [{"ansible.builtin.user": {"name": it["user"], **wanted}}]


def _packages(it: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"ansible.builtin.apt": {"name": list(it["names"]), "install_recommends": False}}]


def _unit(it: Mapping[str, Any]) -> list[dict[str, Any]]:
    if it["unit"] in HELD_OFF:
        return [NOTHING]
    return [{"ansible.builtin.systemd": {"name": it["unit"], "enabled": True, "state": "started"}}]


def _link(it: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"ansible.builtin.file": {"src": it["to"], "dest": it["path"], "state": "link"}}]


def _absent(it: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"ansible.builtin.file": {"path": it["path"], "state": "absent"}}]


TASKS: Mapping[tuple[Any, str], Callable[[Mapping[str, Any]], list[dict[str, Any]]]] = {
    (files, "put_texts"): _files,
    (files, "put_link"): _link,
    (files, "remove_file"): _absent,
    (pyinfra_files, "directory"): _directory,
    (users, "make_system_user"): _user,
    (apt, "install_packages"): _packages,
    (services, "run_service"): _unit,
    (services, "run_timer"): _unit,
}


@contextmanager
def _spied() -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Full name of an operation → its tasks, of what is declared in the block."""
    found: dict[str, list[dict[str, Any]]] = {}
    real = {place: getattr(*place) for place in TASKS}

    def spy(place: tuple[Any, str]) -> Callable[..., Any]:
        @wraps(real[place])
        def operation(**arguments: Any) -> Any:
            found[arguments["name"]] = TASKS[place](arguments)
            return real[place](**arguments)

        return operation

    for place in TASKS:
        setattr(*place, spy(place))
    try:
        yield found
    finally:
        for place, operation in real.items():
            setattr(*place, operation)


def prepare(target: Target) -> None:
    """Write one target's tasks to a file of its own."""
    hardware = cast(HardwareData, host.get_fact(Hardware))
    ports = host.get_fact(Health)["ssh_ports"]
    names = [each.name for each in run.targets]
    site = Site(target, hardware, run.targets, names, ports, run.secrets)
    with ONE_BY_ONE, _spied() as found:
        steps = declare(STACKS, site)
    tasks = [
        {"name": name, **task}
        for step in steps
        for operation in step.operations
        for name in [f"{step.component} | {operation.label}"]
        for task in found.get(name, [NOTHING])
    ]
    path = Path(os.environ["BENCH_PLAYBOOK"]) / f"{target.name}.yml"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(tasks, sort_keys=False))


run.prepare(host, prepare)

"""The servers: configs/inventory.yaml (or the file that CHOM_INVENTORY names) for pyinfra.

Groups: ``observability`` and ``vpsmanager``. A broken inventory ends here, before any connection.
"""

import os
import sys
from pathlib import Path

import click

import configs
from state import run, seam, sudo


def _options() -> run.Options:
    context = click.get_current_context(silent=True)
    given = context.params if context else {}
    return run.Options(
        dry=bool(given.get("dry")),
        verbosity=int(given.get("verbosity") or 0),
        fail_percent=given.get("fail_percent"),
    )


def _refuse(problem: str) -> None:
    click.echo(problem, err=True)
    sys.exit(1)


def _refuse_prompt_without_terminal() -> None:
    """pyinfra asks before it deploys; without a terminal it would stumble over its own question."""
    context = click.get_current_context(silent=True)
    given = context.params if context else {}
    deploys = any(str(item).endswith(".py") for item in given.get("operations", ()))
    asks = not (given.get("yes") or given.get("dry") or given.get("json_output"))
    if deploys and asks and not sys.stdin.isatty():
        _refuse("There is no terminal to confirm on: add -y to deploy, or --dry to see the plan.")


def _connection(target: configs.Target) -> tuple[str, dict[str, object]]:
    ssh = target.ssh
    return target.name, {
        "ssh_hostname": target.address,
        "ssh_port": ssh.port,
        "ssh_user": ssh.user,
        "ssh_key": str(ssh.key_path),
        "ssh_known_hosts_file": str(ssh.known_hosts_path),
        "ssh_strict_host_key_checking": "yes",
        "ssh_paramiko_connect_kwargs": {"transport_factory": seam.prompt_transport},
        "_sudo": ssh.sudo,
        "_sudo_password": sudo.PLACEHOLDER if ssh.sudo_password else None,
    }


def _passwords(targets: dict[str, configs.Target]) -> dict[str, str]:
    """The sudo passwords that are needed; all that cannot be had are named at once."""
    found, problems = {}, []
    for name, target in targets.items():
        if target.ssh.sudo and target.ssh.sudo_password:
            try:
                found[name] = sudo.find_password(name, target.ssh.user, os.environ)
            except sudo.NoPassword as problem:
                problems.append(str(problem))
    if problems:
        _refuse("\n".join(problems))
    return found


try:
    _configuration = configs.load()
except configs.ConfigurationError as _problems:
    _refuse(str(_problems))

_refuse_prompt_without_terminal()
_targets = _configuration.targets
_run = run.Run(_configuration, _options(), Path(__file__).resolve().parent, _passwords(_targets))
run.begin(_run)
seam.install(_run)

observability = [_connection(each) for each in _targets.values() if each.role == "observability"]
vpsmanager = [_connection(each) for each in _targets.values() if each.role == "vpsmanager"]

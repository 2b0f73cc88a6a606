"""The servers: configs/inventory.yaml (or the file that CHOM_INVENTORY names) for pyinfra.

Groups: ``observability`` and ``vpsmanager``. What is wrong is said here, before any connection.
"""

import os
import sys

import click

import configs
from state import graph, options, run, seam, sudo
from tasks.stacks import STACKS


def _connection(target: configs.Target) -> tuple[str, dict[str, object]]:
    """One pyinfra host: strict host keys, the key file, and sudo as the inventory says."""
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


try:
    _options = options.read()
    graph.check(STACKS)
    _configuration = configs.load(data=_options.data)
    _targets = _configuration.targets.values()
    _passwords = sudo.find_passwords(_targets, os.environ)
except (
    configs.ConfigurationError,
    graph.NeedsError,
    options.NoTerminal,
    sudo.NoPassword,
) as _problem:
    click.echo(str(_problem), err=True)
    sys.exit(1)

_run = run.Run(_configuration, _options, configs.PROJECT, _passwords)
run.begin(_run)
seam.install(_run)

observability = [_connection(each) for each in _targets if each.role == "observability"]
vpsmanager = [_connection(each) for each in _targets if each.role == "vpsmanager"]

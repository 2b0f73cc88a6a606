"""The deploy's inventory of a lab: written as anyone would write it for two rented servers."""

from __future__ import annotations

from collections.abc import Iterable

from tests.lab import mirror
from tests.lab.grafana_repository import Repository
from tests.lab.machine import Machine
from tests.lab.php_repository import PhpRepository
from tests.lab.pins import pinned
from tests.lab.prometheus import RELEASES, Release


def inventory_text(
    folder: str,
    machines: Iterable[Machine],
    gateway: str,
    release: Release,
    repository: Repository,
    php: PhpRepository,
) -> str:
    """The YAML text.

    Args:
        folder: Where the key and known_hosts are, relative to the project.
        machines: The targets.
        gateway: Address of this computer in the lab: the admin's, and the mirror's.
        release: The Prometheus that the mirror serves.
        repository: Grafana's packages there.
        php: PHP's packages there.
    """
    targets = "".join(
        f"  {machine.name}:\n    role: {machine.role}\n    address: {machine.address}\n"
        for machine in machines
    )
    return f"""\
# written by tests.lab; safe to delete
# {repository.summary()}
# {php.summary()}
ssh:
  user: deploy
  port: 22
  key: {folder}/key
  known_hosts: {folder}/known_hosts
targets:
{targets}settings:
  network:
    admin_networks: [{gateway}/32]
  prometheus:
    version: "{release.version}"
    base_url: {mirror.url(gateway)}/{RELEASES}
    sha256: {{{release.architecture}: {release.sha256}}}
{_versions(repository)}\
  grafana_apt:
    url: {repository.url}
    key_url: {repository.key_url}
    fingerprints: [{repository.fingerprint}]
  php_apt:
    url: {php.url}
    key_url: {php.key_url}
    fingerprints: [{php.fingerprint}]
"""


def _versions(repository: Repository) -> str:
    """The version settings of packages whose pinned version the repository does not have."""
    lines = ""
    for section, package in (("loki", "loki"), ("grafana", "grafana"), ("logs", "alloy")):
        there = repository.versions.get(package, ())
        if there and pinned(package) not in there:
            lines += f'  {section}:\n    version: "{there[0]}"\n'
    return lines

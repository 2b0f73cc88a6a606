"""The same resources, checked by Ansible, and by Ansible with Mitogen."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gevent.lock import Semaphore

from tests.bench.measure import Measured, measure
from tests.lab import Lab

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
CONFIG = """\
[defaults]
strategy = free
forks = 10
interpreter_python = /usr/bin/python3
[ssh_connection]
pipelining = True
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={known_hosts}
"""
# All targets are declared at the same time, but spied upon one after the other.
ONE_BY_ONE = Semaphore()
# Each host goes on by itself, with tasks of its own.
PLAYBOOK = """\
- hosts: all
  become: true
  tasks:
    - include_tasks: "{{ inventory_hostname }}.yml"
"""


@dataclass(frozen=True)
class Ansible:
    """A playbook of what is deployed, and Ansible in an environment of its own.

    ``folder``: where both are. ``tasks``: how many there are on all machines together.
    """

    folder: Path
    tasks: int

    def run(self, name: str, mitogen: bool = False) -> Measured:
        """Run the playbook; its output goes to a log called ``name``. Raises RuntimeError."""
        environment = {"ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp")}
        if mitogen:
            (found,) = self.folder.glob("venv/lib/python3*/site-packages/ansible_mitogen")
            environment["ANSIBLE_STRATEGY_PLUGINS"] = str(found / "plugins/strategy")
            environment["ANSIBLE_STRATEGY"] = "mitogen_free"
        command = [str(self.folder / "venv/bin/ansible-playbook"), "-i", "hosts", "all.yml"]
        return measure(command, self._log(name), environment, self.folder)

    def changed(self, name: str) -> int:
        """How many tasks of the run of that name changed something."""
        words = self._log(name).read_text().split()
        return sum(int(each.partition("=")[2]) for each in words if each.startswith("changed="))

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def prepare(
    lab: Lab, folder: Path, plays: Sequence[str], environment: Mapping[str, str]
) -> Ansible:
    """Install Ansible, and have the tasks of all machines written.

    ``plays``: the command that writes them to the folder BENCH_PLAYBOOK, with its
    ``environment``. Raises RuntimeError.
    """
    folder.mkdir(mode=0o700)
    log = folder / "prepare.log"
    measure([sys.executable, "-m", "venv", str(folder / "venv")], log, {})
    pip = [str(folder / "venv/bin/pip"), "install", "-q", "--disable-pip-version-check"]
    measure([*pip, "-r", str(REQUIREMENTS)], log, {})
    measure(plays, log, {**environment, "BENCH_PLAYBOOK": str(folder)})
    login = f"ansible_user=deploy ansible_ssh_private_key_file={lab.login.key}"
    hosts = [f"{each.name} ansible_host={each.address} {login}\n" for each in lab.machines]
    (folder / "hosts").write_text("".join(hosts))
    (folder / "ansible.cfg").write_text(CONFIG.format(known_hosts=lab.login.known_hosts))
    (folder / "all.yml").write_text(PLAYBOOK)
    texts = [(folder / f"{each.name}.yml").read_text() for each in lab.machines]
    return Ansible(folder, sum(text.count("\n- name: ") + 1 for text in texts))

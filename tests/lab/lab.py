"""A lab: a few real Debian machines on this computer, brought up, reset and taken down."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TypeVar

from tests.lab import (
    base,
    grafana_repository,
    keys,
    mirror,
    names,
    network,
    paths,
    php_repository,
    preflight,
    state,
)
from tests.lab.base import Base
from tests.lab.cgroup import Cgroup
from tests.lab.disk import Disk, Identity
from tests.lab.grafana_repository import Repository
from tests.lab.inventory import inventory_text
from tests.lab.machine import Login, Machine, boot, stop, wait_until_up
from tests.lab.mounts import unmount_below
from tests.lab.network import Network
from tests.lab.php_repository import PhpRepository
from tests.lab.process import Process
from tests.lab.prometheus import Release, publish, published
from tests.lab.resolver import name_servers, resolv_conf
from tests.lab.shell import LabError
from tests.lab.size import DEFAULT_SIZES, Size
from tests.lab.state import State

Result = TypeVar("Result")

DEFAULT_NAME, DEFAULT_SUBNET, DEFAULT_APPS = "demo", "10.66.0.0/24", 1


def plan(subnet: IPv4Network, apps: int, sizes: Mapping[str, Size]) -> list[Machine]:
    """The machines of a lab: one observability and `apps` vpsmanagers.

    Args:
        subnet: Where their addresses come from.
        apps: How many vpsmanagers, at least 1.
        sizes: By role or by machine name, which wins; defaults for the others.

    Raises:
        LabError: There is no such machine or role, or no room in the subnet.
    """
    if apps < 1:
        raise LabError(f"--apps {apps}: a lab needs at least one vpsmanager")
    roles = {"observability": ("observability", network.FIRST_OBSERVABILITY)}
    for number in range(apps):
        name = "vpsmanager" if apps == 1 else f"vpsmanager{number + 1}"
        roles[name] = ("vpsmanager", network.FIRST_VPSMANAGER + number)
    known = {**dict.fromkeys(DEFAULT_SIZES), **dict.fromkeys(roles)}
    if unknown := sorted(set(sizes) - set(known)):
        raise LabError(f"no machine is called {unknown[0]!r}: there are {', '.join(known)}")
    return [
        Machine(
            name=name,
            role=role,
            address=str(network.host_address(subnet, number)),
            size=sizes.get(name) or sizes.get(role) or DEFAULT_SIZES[role],
        )
        for name, (role, number) in roles.items()
    ]


class Lab:
    """One lab, running or not; nothing happens until a method is called.

    Args:
        name: Tells it from other labs on this computer.
        subnet: Its own network, in CIDR form.
        apps: How many vpsmanager machines.
        sizes: By role or machine name; defaults for the others.
        say: Told, in a few words, what takes time.
    """

    def __init__(
        self,
        name: str = DEFAULT_NAME,
        subnet: str = DEFAULT_SUBNET,
        apps: int = DEFAULT_APPS,
        sizes: Mapping[str, Size] | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.name = names.check_lab_name(name)
        self.network = Network(name, network.parse_subnet(subnet))
        self.machines: Sequence[Machine] = plan(self.network.subnet, apps, sizes or {})
        self.folder = paths.lab_folder(name)
        self.login = Login(self.folder / "key", self.folder / "known_hosts")
        self._disks = paths.disks_folder(name)
        self._state_file = self.folder / "lab.json"
        self._say = say

    @classmethod
    def saved(cls, name: str, say: Callable[[str], None] = lambda text: None) -> Lab:
        """The lab as it was brought up last.

        Raises:
            LabError: There is none of this name.
        """
        found = state.load(paths.lab_folder(names.check_lab_name(name)) / "lab.json")
        if not found:
            raise LabError(f"there is no lab {name}: python -m tests.lab up --name {name}")
        lab = cls(name, found.subnet, say=say)
        lab.machines = found.machines
        return lab

    @property
    def inventory(self) -> Path:
        """The inventory file for a deploy; there while the lab is up."""
        return self.folder / "inventory.yaml"

    @property
    def mirror_url(self) -> str:
        """Where the mirror answers, from the machines and from this computer."""
        return mirror.url(str(self.network.gateway))

    @property
    def apt_repository(self) -> Repository:
        """Grafana's repository as the mirror has it; there once a lab was up.

        Raises:
            LabError: None was published yet.
        """
        return grafana_repository.published(mirror.folder(), str(self.network.gateway))

    @property
    def prometheus_releases(self) -> list[Release]:
        """Releases of Prometheus that the mirror has, the oldest first; there once a lab was up.

        Raises:
            LabError: None was published yet.
        """
        return published(mirror.folder())

    @property
    def php_repository(self) -> PhpRepository:
        """The PHP repository as the mirror has it; there once a lab was up.

        Raises:
            LabError: None was published yet.
        """
        return php_repository.published(mirror.folder(), str(self.network.gateway))

    def state(self) -> State | None:
        """What is known of the running lab; None when it was never brought up."""
        return state.load(self._state_file)

    def running(self) -> bool:
        """Whether it is up as it was asked for."""
        found = self.state()
        return bool(found and self._as_planned(found) and found.running())

    def machine(self, name: str) -> Machine:
        """The machine of this name; raises `LabError` when there is none."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        known = ", ".join(machine.name for machine in self.machines)
        raise LabError(f"the lab {self.name} has no machine {name!r}: it has {known}")

    def rootfs(self, machine: str) -> Path:
        """A machine's `/`, as a folder of this computer."""
        return self._disk(machine).rootfs

    def upper(self, machine: str) -> Path:
        """Only what changed on a machine since it was fresh, as an overlayfs upper layer."""
        return self._disk(machine).upper

    def run(
        self,
        machine: str,
        command: str,
        user: str = "root",
        check: bool = True,
        input: str | None = None,
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on a machine over SSH; see `Login.run`."""
        return self.login.run(
            self.machine(machine), command, user=user, check=check, input=input, timeout=timeout
        )

    def up(self) -> bool:
        """Bring it up with fresh machines; whether there was anything to do.

        Leftovers of an earlier, crashed lab of this name are removed first.

        Raises:
            LabError: It cannot be, and why; nothing is left running.
        """
        if self.running():
            self._write_inventory()
            return False
        preflight.check()
        with self._lock():
            if self.running():
                return False
            self._refuse_other_options()
            self._refuse_subnet(name_server_text := resolv_conf())
            self._refuse_sizes()
            _clear(self.name)
            ground = base.prepare(self._say)
            self._refuse_address_of(ground.archive_host())
            try:
                self._start(ground, name_server_text)
            except BaseException:
                _clear(self.name)
                raise
        return True

    def down(self) -> None:
        """Power the machines off, and leave nothing but keys and logs; no harm if it is not up."""
        preflight.check_root()
        with self._lock():
            if found := self.state():
                with ThreadPoolExecutor() as pool:
                    for machine, booted in found.booted.items():
                        pool.submit(stop, booted, self._cgroup(machine))
            _clear(self.name)
            for path in (self._state_file, self.inventory):
                path.unlink(missing_ok=True)

    def reset(self) -> None:
        """Give every machine a fresh disk; keys, addresses and the mirror stay.

        Raises:
            LabError: A machine does not come up again.
        """
        found = self.state()
        if not (found and found.running() and self.network.exists()):
            self.up()
            return
        preflight.check_root()
        with self._lock():
            ground, name_server_text = base.prepare(self._say), resolv_conf()
            self._each(lambda machine: self._unplug(machine.name, 0))
            booted = self._each(lambda machine: self._boot_fresh(machine, ground, name_server_text))
            self._wait(replace(found, booted=booted, base=str(ground.folder)))

    def reboot(self, machine: str) -> None:
        """Power a machine off and on again with the disk that it has.

        Raises:
            LabError: The lab is not up, or the machine does not come up again.
        """
        found = self.state()
        if not found or machine not in found.booted:
            raise LabError(f"the lab {self.name} is not up, or has no machine {machine!r}")
        with self._lock():
            stop(found.booted[machine], self._cgroup(machine))
            self._unplug(machine, 0)
            disk = self._disk(machine)
            disk.mount(Base(Path(found.base)))
            booted = self._boot(self.machine(machine), disk)
            self._wait(replace(found, booted={**found.booted, machine: booted}))

    def _start(self, ground: Base, name_server_text: str) -> None:
        for folder in (self.folder, self._disks):
            folder.mkdir(parents=True, exist_ok=True)
        (self._disks / "owner").write_text(str(paths.PROJECT))
        self.inventory.unlink(missing_ok=True)
        publish(ground, mirror.folder())
        grafana_repository.publish(mirror.folder())
        php_repository.publish(ground, mirror.folder())
        self._say(self.apt_repository.summary())
        self._say(self.php_repository.summary())
        keys.login_key(self.folder, self.name)
        self._write_known_hosts()
        self._say(f"starting {', '.join(machine.name for machine in self.machines)}")
        self.network.create()
        server = mirror.start(
            str(self.network.gateway), self._cgroup("mirror"), self.folder / "mirror.log"
        )
        booted = self._each(lambda machine: self._boot_fresh(machine, ground, name_server_text))
        subnet = str(self.network.subnet)
        self._wait(State(self.name, subnet, self.machines, str(ground.folder), server, booted))
        self._write_inventory()

    def _boot_fresh(self, machine: Machine, ground: Base, name_server_text: str) -> Process:
        identity = Identity(
            hostname=machine.name,
            size=machine.size,
            resolv_conf=name_server_text,
            login_key=self.login.key,
            host_keys=keys.host_keys(self.folder, machine.name),
        )
        disk = self._disk(machine.name)
        disk.create(ground, identity)
        return self._boot(machine, disk)

    def _boot(self, machine: Machine, disk: Disk) -> Process:
        namespace = self.network.plug_in(machine.name, IPv4Address(machine.address))
        return boot(machine, disk, namespace, self._cgroup(machine.name), self._log(machine.name))

    def _unplug(self, machine: str, poweroff_limit: float) -> None:
        found = self.state()
        if found and machine in found.booted:
            stop(found.booted[machine], self._cgroup(machine), poweroff_limit)
        self.network.unplug(machine)
        unmount_below(self._disk(machine).folder)

    def _wait(self, booting: State) -> None:
        self._save(replace(booting, ready=False))
        host = Base(Path(booting.base)).archive_host()

        def wait(machine: Machine) -> None:
            log = self._log(machine.name)
            how = wait_until_up(machine, booting.booted[machine.name], self.login, log)
            if how == "degraded":
                failed = self.run(machine.name, "systemctl --failed --plain --no-legend").stdout
                units = ", ".join(line.split()[0] for line in failed.splitlines() if line.strip())
                self._say(f"{machine.name} is up, but these units failed: {units}")
            self._check_name_resolution(machine, host)

        self._each(wait)
        self._save(replace(booting, ready=True))

    def _check_name_resolution(self, machine: Machine, host: str) -> None:
        # apt grows without limit while a name server does not answer.
        asked = self.run(machine.name, f"timeout 10 getent ahostsv4 {host}", check=False)
        if asked.returncode != 0:
            raise LabError(
                f"{machine.name} cannot resolve {host}, which its apt downloads from: see that this"
                " computer resolves it, and that its firewall forwards traffic of the lab's subnet"
            )

    def _each(self, work: Callable[[Machine], Result]) -> dict[str, Result]:
        with ThreadPoolExecutor(max_workers=len(self.machines)) as pool:
            results = pool.map(work, self.machines)
            return dict(zip((machine.name for machine in self.machines), results, strict=True))

    def _write_inventory(self) -> None:
        found = self.state()
        if not found or self.inventory.exists():
            return
        ground = Base(Path(found.base))
        release = publish(ground, mirror.folder())[-1]
        grafana_repository.publish(mirror.folder())
        php_repository.publish(ground, mirror.folder())
        shown = os.path.relpath(self.folder, paths.PROJECT)
        self.inventory.write_text(
            inventory_text(
                shown,
                self.machines,
                str(self.network.gateway),
                release,
                self.apt_repository,
                self.php_repository,
            )
        )

    def _write_known_hosts(self) -> None:
        found = self._each(
            lambda machine: [*map(keys.public, keys.host_keys(self.folder, machine.name))]
        )
        self.login.known_hosts.write_text(
            keys.known_hosts({each.address: found[each.name] for each in self.machines})
        )

    def _refuse_if_elsewhere(self) -> None:
        owner = _owner(self.name)
        if owner and not _is_ours_or_gone(owner) and _lab_cgroup(self.name).populated():
            raise LabError(
                f"the lab {self.name} is up for {owner}: take another --name and --subnet,"
                " or take it down there"
            )

    def _refuse_other_options(self) -> None:
        found = self.state()
        if found and found.running() and not self._as_planned(found):
            raise LabError(
                f"the lab {self.name} is up with other options"
                f" ({found.subnet}, {_sizes(found.machines)}):"
                f" python -m tests.lab down --name {self.name} first"
            )

    def _refuse_subnet(self, name_server_text: str) -> None:
        servers = dict.fromkeys(name_servers(name_server_text), "this computer's name server")
        network.refuse_taken_subnet(
            self.network.subnet, self.network.bridge, network.routes(), servers
        )

    def _refuse_sizes(self) -> None:
        cores = len(os.sched_getaffinity(0))
        for machine in self.machines:
            if machine.size.vcpus > cores:
                raise LabError(
                    f"{machine.name} is to have {machine.size.vcpus} vCPUs, and this computer has"
                    f" {cores}: --size {machine.role}={cores}x{machine.size.memory_mb}"
                )

    def _refuse_address_of(self, host: str) -> None:
        network.refuse_taken_subnet(
            self.network.subnet, self.network.bridge, [], network.addresses_of(host)
        )

    def _as_planned(self, found: State) -> bool:
        return found.subnet == str(self.network.subnet) and found.machines == self.machines

    def _save(self, new: State) -> None:
        new.save(self._state_file)

    def _disk(self, machine: str) -> Disk:
        return Disk(self._disks / self.machine(machine).name)

    def _cgroup(self, child: str) -> Cgroup:
        return _lab_cgroup(self.name).child(child)

    def _log(self, machine: str) -> Path:
        return self.folder / f"{machine}.log"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._disks.parent.mkdir(parents=True, exist_ok=True)
        with base.locked(self._disks.with_name(f"{self.name}.lock")):
            self._refuse_if_elsewhere()
            yield


def known_labs() -> list[str]:
    """Labs of this project, and those whose project is gone; running or not."""
    own = (path.parent.name for path in (paths.PROJECT / ".lab").glob("*/lab.json"))
    disks = (path.name for path in (paths.cache() / "labs").glob("*/"))
    left = (name for name in disks if not (owner := _owner(name)) or _is_ours_or_gone(owner))
    return sorted({*own, *left})


def _is_ours_or_gone(owner: Path) -> bool:
    return owner == paths.PROJECT or not owner.exists()


def _owner(name: str) -> Path | None:
    try:
        return Path((paths.disks_folder(name) / "owner").read_text())
    except OSError:
        return None


def _lab_cgroup(name: str) -> Cgroup:
    return Cgroup.root().child(names.cgroup_name(name))


def _clear(name: str) -> None:
    """Take away everything that a lab of this name made on this computer, in whatever state."""
    _lab_cgroup(name).destroy()
    network.destroy(name)
    unmount_below(paths.disks_folder(name))
    shutil.rmtree(paths.disks_folder(name), ignore_errors=True)
    for trace in Path("/run/systemd/nspawn/propagate").glob(f"{names.cgroup_name(name)}.*"):
        trace.rmdir()


def _sizes(machines: Sequence[Machine]) -> str:
    return ", ".join(f"{machine.name}={machine.size}" for machine in machines)

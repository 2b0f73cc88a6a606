"""Components: what a target runs, declared once, in the order of its stack."""

import inspect
import socket
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import gevent
from pyinfra import host

from configs import Target
from configs.secrets import Needed, Secret
from facts.hardware import HardwareData
from facts.resource_names import check
from facts.versions import of_package
from tasks.artifacts import Artifact
from tasks.effects import Effect, listening
from tasks.operations.files import TextFile
from tasks.operations.readiness import Awaited
from tasks.repositories import Repository
from tasks.upcoming import Upcoming


@dataclass(frozen=True)
class Site:
    """What a component knows of where it is deployed.

    ``target`` with its settings, its detected ``hardware``, ``targets``: all of the inventory,
    this one included, ``in_this_run``: the names of those that ``--limit`` leaves,
    ``ssh_ports``: where the target's sshd listens, and ``secrets`` by name. ``owned``: what is ours
    there by the records, kind and name.
    """

    target: Target
    hardware: HardwareData
    targets: Sequence[Target]
    in_this_run: Sequence[str]
    ssh_ports: Sequence[int]
    secrets: Mapping[str, Secret]
    owned: Container[tuple[str, str]] = frozenset()

    @property
    def settings(self) -> Any:
        return self.target.settings

    def of_role(self, role: str) -> list[Target]:
        return [target for target in self.targets if target.role == role]

    def runs_with_observers(self, target: Target) -> bool:
        """Whether a target and all observability targets take part in this run."""
        return {target.name, *(each.name for each in self.of_role("observability"))} <= set(
            self.in_this_run
        )

    def ip_of(self, target: Target) -> str:
        """A target's address as a number, which firewall rules need; names are looked up here."""
        try:
            return str(ip_address(target.address))
        except ValueError:
            return str(socket.getaddrinfo(target.address, None)[0][4][0])

    @property
    def debian_architecture(self) -> str:
        """The architecture by Debian's name, e.g. ``amd64`` for ``x86_64``."""
        names = {"x86_64": "amd64", "aarch64": "arm64"}
        return names.get(self.hardware["architecture"], self.hardware["architecture"])


@dataclass(frozen=True)
class Component:
    """One thing that runs on a target.

    ``needs``: components that must be complete before, ``NAME`` on the same target or
    ``ROLE.NAME`` on every target of that role. ``tolerates``: those of ``needs`` in which
    something may have failed that concerns one application alone. ``packages``: Debian packages,
    installed together with those of the whole stack. ``version``: a shell command that prints the
    installed version, as ``facts.versions`` runs it. ``secrets``: those that it needs on a target.
    ``secrets_of_others``: those of each other target that it needs there. ``repositories``: where
    its packages come from beside Debian's archive. ``artifacts``: what it
    unpacks, fetched beside them. ``data``: the paths of what outlives it, whoever makes them.
    ``report``: a shell command that tells the record more of what was done, a line of JSON for
    each application.
    """

    name: str
    deploy: Callable[[Site], None]
    needs: tuple[str, ...]
    tolerates: tuple[str, ...]
    packages: Callable[[Site], Sequence[str]]
    version: Callable[[Site], str]
    secrets: Callable[[Target], Sequence[Needed]]
    secrets_of_others: Callable[[Target], Sequence[Needed]]
    repositories: Callable[[Site], Sequence[Repository]]
    artifacts: Callable[[Site], Sequence[Artifact]]
    data: Callable[[Site], Sequence[str]]
    report: Callable[[Site], str]
    folder: Path

    def needed_secrets(self, target: Target, targets: Iterable[Target]) -> list[Needed]:
        """Secrets that it needs on ``target``, of it and of the other ``targets``."""
        others = [each for each in targets if each.name != target.name]
        of_others = [need for each in others for need in self.secrets_of_others(each)]
        return [*self.secrets(target), *of_others]


@dataclass(frozen=True)
class Declared:
    """One operation of a component.

    ``creates``, ``removes``: the resources that it may create or takes away, each by its kind, its
    name and the component that it is for. ``alone``: what fails here keeps nothing else of the
    component from being done. ``effects``: what it told that it would do, where a plan is made.
    """

    hash: str
    label: str
    creates: tuple[tuple[str, str, str], ...]
    alone: bool = False
    removes: tuple[tuple[str, str, str], ...] = ()
    effects: tuple[Effect, ...] = ()


@dataclass
class Step:
    """One component on one target: its operations in order.

    ``alone``: what fails in it keeps no other component from being done. ``tolerates``: as of its
    component.
    """

    component: str
    needs: tuple[str, ...]
    version: str
    report: str = ""
    tolerates: tuple[str, ...] = ()
    alone: bool = False
    operations: list[Declared] = field(default_factory=list)


@dataclass
class Stage:
    """Where a component's resources are noted while it is being declared.

    ``written``: path → what keeps it, of all components of the target so far. ``held``: files that
    wait for others, to be sent in one go; ``put`` sends them, before anything else is declared.
    ``awaited``: services that are started, and awaited together later, of all components so far.
    """

    component: Component
    site: Site
    step: Step
    stack: Sequence[Component]
    written: dict[str, Upcoming]
    awaited: list[Awaited]
    held: list[TextFile] = field(default_factory=list)
    put: Callable[[], None] = lambda: None

    def secret(self, needed: Needed) -> Secret:
        """The value of a secret that the component has declared. Raises LookupError for others."""
        self._check_declared(needed)
        return self.site.secrets[needed.name]

    def former_secret(self, needed: Needed) -> Secret | None:
        """The value of a retired secret that the component has declared, if there is one."""
        self._check_declared(needed)
        return self.site.secrets.get(needed.name)

    def _check_declared(self, needed: Needed) -> None:
        if needed not in self.component.needed_secrets(self.site.target, self.site.targets):
            raise LookupError(f"{self.component.name} does not declare that it needs {needed.name}")


_stage: ContextVar[Stage] = ContextVar("stage")


def component(
    *,
    needs: Sequence[str] = (),
    tolerates: Sequence[str] = (),
    packages: Sequence[str] | Callable[[Site], Sequence[str]] = (),
    version: str | Callable[[Site], str] | None = None,
    secrets: Sequence[Needed] | Callable[[Target], Sequence[Needed]] = (),
    secrets_of_others: Callable[[Target], Sequence[Needed]] = lambda _: (),
    repositories: Callable[[Site], Sequence[Repository]] = lambda _: (),
    artifacts: Callable[[Site], Sequence[Artifact]] = lambda _: (),
    data: Sequence[str] | Callable[[Site], Sequence[str]] = (),
    report: Callable[[Site], str] = lambda _: "",
) -> Callable[[Callable[[Site], None]], Component]:
    """Make a component of a function that declares its resources.

    The function's name is the component's. Without ``version`` it is that of its first package.
    A package may be pinned, ``NAME=VERSION``.
    """

    def decorate(deploy: Callable[[Site], None]) -> Component:
        packages_of = packages if callable(packages) else lambda _: packages
        version_of = version if callable(version) else _fixed_version(version, packages_of)
        return Component(
            name=deploy.__name__,
            deploy=deploy,
            needs=tuple(needs),
            tolerates=tuple(tolerates),
            packages=packages_of,
            version=version_of,
            secrets=secrets if callable(secrets) else lambda _: secrets,
            secrets_of_others=secrets_of_others,
            repositories=repositories,
            artifacts=artifacts,
            data=data if callable(data) else lambda _: data,
            report=report,
            folder=Path(inspect.getfile(deploy)).parent,
        )

    return decorate


def _fixed_version(
    command: str | None, packages: Callable[[Site], Sequence[str]]
) -> Callable[[Site], str]:
    def version_of(site: Site) -> str:
        names = [name.split("=")[0] for name in packages(site)]
        return command or (of_package(names[0]) if names else "true")

    return version_of


def declare(
    stacks: Mapping[str, Sequence[Component]], site: Site, key: str | None = None
) -> list[Step]:
    """Declare the stack of the site's role, or of ``key``, to pyinfra; its steps, in order.

    Operations of different stacks and components keep apart although pyinfra identifies an
    operation by the line numbers of its call: ``host.loop`` adds the position in the stacks.
    """
    steps: list[Step] = []
    written: dict[str, Upcoming] = {}
    awaited: list[Awaited] = []
    for name in host.loop(stacks):
        for item in host.loop(stacks[name]):
            if name == (key or site.target.role):
                here = Stage(item, site, _step(item, site), stacks[name], written, awaited)
                steps.append(_declare_one(here))
                # Other targets are declared as well, and what they have answered is to be read.
                gevent.sleep(0)
    return steps


def _step(item: Component, site: Site) -> Step:
    return Step(item.name, item.needs, item.version(site), item.report(site), item.tolerates)


def _declare_one(here: Stage) -> Step:
    token = _stage.set(here)
    try:
        here.component.deploy(here.site)
        here.put()
    finally:
        _stage.reset(token)
    return here.step


def stage() -> Stage:
    """The component that is being declared now; LookupError outside of ``declare``."""
    return _stage.get()


@contextmanager
def noted(
    label: str,
    *creates: tuple[str, str],
    alone: bool = False,
    shared: Sequence[tuple[str, str, str]] = (),
    removes: Sequence[tuple[str, str, str]] = (),
) -> Iterator[str]:
    """Note the pyinfra operation that the block calls as one of the current component's.

    ``creates``: what it may create for this component, kind and name; ``shared``: for others, with
    their names. Yields the operation's full name, ``component | label``. Raises ValueError for a
    name that no such resource can have.
    """
    here = stage()
    for kind, resource, *_ in (*creates, *shared, *removes):
        check(kind, resource)
    here.put()
    host.loop_position.append(len(here.step.operations))
    try:
        with listening() as effects:
            yield f"{here.component.name} | {label}"
    finally:
        host.loop_position.pop()
    own = tuple((kind, name, here.component.name) for kind, name in creates)
    here.step.operations.append(
        Declared(
            host.op_hash_order[-1],
            label,
            (*own, *shared),
            alone,
            tuple(removes),
            tuple(effects),
        )
    )

"""What no single value can tell: whether the parts fit together, and whether the keys are there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from configs.documents import Document, Location, dotted
from configs.explaining import describe
from configs.hosting import flaws
from configs.https import obstacles
from configs.keyfiles import Trouble, key_trouble, known_hosts_trouble
from configs.mail import lacks
from configs.merging import Sources
from configs.pins import PINNED
from configs.problems import Problem
from configs.routes import Route, RouteError, route_of
from configs.schema import OWN_PAGE, Ssh
from configs.values import canonical_address, example_network

_Origin = tuple[str, str]
_Layer = tuple[Document, Location]
_PROMETHEUS = ("settings", "prometheus")


def cross_check(
    merged: dict[str, Any], sources: Sources, refused: list[Problem], *, allow_example: bool
) -> list[Problem]:
    """Every problem between values, among those values that the schema did not refuse."""
    check = _Check(merged, sources, {(problem.file, problem.key) for problem in refused})
    targets = check.targets()
    real = [target for target in targets if not target.example]
    return [
        *check.roles(targets),
        *(() if allow_example else check.examples(targets)),
        *check.shared_addresses(real),
        *check.pins(),
        *check.mail(targets),
        *check.https(targets),
        *check.hosting(targets),
        *check.routes(real),
        *check.keys(real),
        *check.host_keys(real),
    ]


@dataclass(frozen=True)
class _Seen:
    """What is usable of a target: `None` where the schema already refused the value."""

    name: str
    role: str | None
    address: str | None
    ssh: Ssh | None
    example: str | None

    def at(self, *steps: str) -> Location:
        return ("targets", self.name, *steps)


class _Check:
    def __init__(self, merged: dict[str, Any], sources: Sources, refused: set[_Origin]) -> None:
        self.merged = merged
        self.sources = sources
        self.refused = refused

    def targets(self) -> list[_Seen]:
        targets = self.merged.get("targets")
        if not isinstance(targets, dict):
            return []
        return [
            self._seen(name, entry) for name, entry in targets.items() if isinstance(entry, dict)
        ]

    def roles(self, targets: list[_Seen]) -> Iterator[Problem]:
        observers = [target for target in targets if target.role == "observability"]
        for extra in observers[1:]:
            yield self._problem(
                extra.at("role"),
                f"observability, which {observers[0].name} already is",
                "exactly one target with the role observability",
                "make it a vpsmanager, or remove the target",
            )
        everything = self.merged.get("targets")
        judged = isinstance(everything, dict) and len(targets) == len(everything)
        if not targets or not judged or any(target.role is None for target in targets):
            return  # a role that could not be read may be the missing one
        for role, wanted in (("observability", "exactly one"), ("vpsmanager", "at least one")):
            if all(target.role != role for target in targets):
                yield self._problem(
                    ("targets",),
                    f"no target with the role {role}",
                    f"{wanted} target with the role {role}",
                    f"add a target with `role: {role}` and its address",
                )

    def examples(self, targets: list[_Seen]) -> Iterator[Problem]:
        for target in targets:
            if target.example:
                file = self.sources.inventory.file
                yield self._problem(
                    target.at("address"),
                    f"{target.address}, an example: no server has an address of {target.example}",
                    "the address of your own server",
                    f"edit {file}, or set CHOM_INVENTORY to the path of your own inventory;\n"
                    "to try it without any server: make demo",
                )

    def shared_addresses(self, targets: list[_Seen]) -> Iterator[Problem]:
        first: dict[tuple[str, int], str] = {}
        for target in targets:
            if not target.address or not target.ssh or self._is_refused(target.at("ssh", "port")):
                continue
            place = (target.address, target.ssh.port)
            if place in first:
                yield self._problem(
                    target.at("address"),
                    f"{target.address} with port {target.ssh.port}, which {first[place]} has",
                    "another address, or another SSH port, for every target",
                    "write this target's own address",
                )
            first.setdefault(place, target.name)

    def pins(self) -> Iterator[Problem]:
        common = (self.sources.inventory, _PROMETHEUS)
        overrides = [(document, _PROMETHEUS) for document in self.sources.overrides]
        yield from self._pin([], common)
        targets = self.merged.get("targets")
        for name in targets if isinstance(targets, dict) else ():
            layers = [common, (self.sources.inventory, ("targets", name, *_PROMETHEUS)), *overrides]
            for position in range(1, len(layers)):
                yield from self._pin(layers[:position], layers[position])

    def mail(self, targets: list[_Seen]) -> Iterator[Problem]:
        for target in targets:
            if target.role == "observability":  # nobody else sends mail
                yield from self._mail(target)

    def https(self, targets: list[_Seen]) -> Iterator[Problem]:
        for target in targets:
            yield from self._https(target)

    def hosting(self, targets: list[_Seen]) -> Iterator[Problem]:
        for target in targets:
            if target.role == "vpsmanager":
                yield from self._hosting(target)

    def routes(self, targets: list[_Seen]) -> Iterator[Problem]:
        for target in targets:
            if not target.address or not target.ssh:
                continue
            try:
                route_of(target.address, target.ssh)
            except RouteError as error:
                location = ("ssh", "config") if target.ssh.config else ("address",)
                yield self._trouble(self._origin(target.at(*location)), error.trouble)

    def keys(self, targets: list[_Seen]) -> Iterator[Problem]:
        for target in targets:
            location = target.at("ssh", "key")
            if target.ssh is None or self._is_refused(location):
                continue
            route = _route(target)
            if trouble := key_trouble(target.ssh, route.agent if route else None):
                yield self._trouble(self._origin(location), trouble)

    def host_keys(self, targets: list[_Seen]) -> Iterator[Problem]:
        places: dict[_Origin, list[tuple[str, Ssh]]] = {}
        others: dict[_Origin, list[Path]] = {}
        for target in targets:
            origin = self._origin(target.at("ssh", "known_hosts"))
            if origin not in self.refused and target.address and target.ssh:
                places.setdefault(origin, []).append((target.address, target.ssh))
                if route := _route(target):
                    others.setdefault(origin, []).extend(route.known_hosts)
        for origin, group in places.items():
            if trouble := known_hosts_trouble(group, others.get(origin, ())):
                yield self._trouble(origin, trouble)

    def _seen(self, name: str, entry: dict[str, Any]) -> _Seen:
        def usable(key: str) -> str | None:
            refused = self._is_refused(("targets", name, key))
            return str(entry[key]) if key in entry and not refused else None

        address = canonical_address(usable("address") or "") if usable("address") else None
        example = example_network(address) if address else None
        return _Seen(name, usable("role"), address, self._ssh(name, entry), example)

    def _ssh(self, name: str, entry: dict[str, Any]) -> Ssh | None:
        """The SSH settings with the default in place of every refused value."""
        written = entry["ssh"]
        if not isinstance(written, dict):
            return None
        return Ssh.model_validate(
            {
                key: value
                for key, value in written.items()
                if not self._is_refused(("targets", name, "ssh", key))
            }
        )

    def _pin(self, below: list[_Layer], layer: _Layer) -> Iterator[Problem]:
        """A version in the layer must come with checksums in that layer, and the reverse.

        Versions that need none: `pinned`, the pinned one, and the one that the layers below set.
        """
        sections = [_section(each) for each in ((self.sources.defaults, _PROMETHEUS[1:]), *below)]
        versions = [section["version"] for section in sections if "version" in section]
        inherited = versions[-1] if versions else None
        pin = self.sources.versions.data["pins"]["prometheus"]["version"]
        own, (document, location) = _section(layer), layer
        version = own.get("version", inherited)
        origin = (document.file, document.key((*location, "version")))
        if origin in self.refused or not isinstance(inherited, str):
            return  # refused already, so it says nothing about the checksums
        sha256 = document.key((*location, "sha256"))
        is_refused = any(f == document.file and k.startswith(sha256) for f, k in self.refused)
        if "sha256" in own and version == PINNED and not is_refused:
            yield Problem(
                document.file,
                sha256,
                "checksums without a version: the pinned version has its own",
                "a version and its sha256 together, or neither",
                f'give prometheus.version too, or remove it; "{pin}" is pinned',
            )
        if version in (inherited, PINNED, pin) or "sha256" in own:
            return
        known = pin if inherited == PINNED else inherited
        yield Problem(
            *origin,
            f"{describe(version)} without its checksums; the known checksums belong to {known}",
            f"pinned, {known}, or another version together with its sha256",
            f"give prometheus.sha256 too: the page of release {version} has them in sha256sums.txt",
        )

    def _mail(self, target: _Seen) -> Iterator[Problem]:
        sections = self._sections(target)
        smtp, alertmanager = sections.get("smtp"), sections.get("alertmanager")
        if not isinstance(smtp, dict) or not isinstance(alertmanager, dict):
            return  # refused already
        for lack in lacks(smtp, alertmanager.get("email_to") or []):
            section, key = lack.setting
            location = target.at("settings", section, key)
            if not self._is_refused(location):
                found = f"{describe(sections[section][key])}, {lack.found}"
                yield self._problem(location, found, lack.expected, lack.remedy)

    def _https(self, target: _Seen) -> Iterator[Problem]:
        sections = self._sections(target)
        tls = sections.get("tls")
        if not isinstance(tls, dict):
            return  # refused already
        for obstacle in obstacles(tls, self._server_names(target, sections)):
            location = target.at("settings", *obstacle.setting)
            value = self._value(location)
            found = f"{describe(value)}, and tls.mode is letsencrypt, {obstacle.why}"
            if self.sources.origin(location)[0] is self.sources.defaults or value is None:
                # Where nothing was written, what was is to blame.
                name = ".".join(obstacle.setting)
                location = target.at("settings", "tls", "mode")
                found = f'"letsencrypt", {obstacle.why}, and {name} is {describe(value)}'
            if not self._is_refused(location):
                yield self._problem(location, found, obstacle.expected, obstacle.remedy)

    def _server_names(
        self, target: _Seen, sections: dict[str, Any]
    ) -> dict[tuple[str, ...], str | None]:
        """The settings that give a target's host names, with what they say; None: refused."""
        if target.role == "observability":
            portal = sections.get("portal")
            return {("portal", "server_name"): _text(portal, "server_name")}
        apps = sections.get("apps")
        if target.role != "vpsmanager" or not isinstance(apps, dict):
            return {}
        return {
            ("apps", name, "domain"): _text(app, "domain", "_")
            for name, app in (apps or {OWN_PAGE: {}}).items()
        }

    def _hosting(self, target: _Seen) -> Iterator[Problem]:
        """What its applications lack; not judged where the schema refused a part of them."""
        sections = self._sections(target)
        parts = {name: sections.get(name) for name in ("apps", "php", "git")}
        below = [target.at("settings", name) for name in parts]
        if any(self._is_refused_in(location) for location in below):
            return
        try:
            found = list(flaws(**parts))
        except ValidationError:
            return  # by what is around them, or by an override: refused already
        for flaw in found:
            location = target.at("settings", *flaw.setting)
            # Where nothing was written, what is around it is to blame.
            while self.sources.origin(location)[0] is self.sources.defaults:
                location = location[:-1]
            yield self._problem(location, flaw.found, flaw.expected, flaw.remedy)

    def _sections(self, target: _Seen) -> dict[str, Any]:
        settings = self.merged["targets"][target.name]["settings"]
        return settings if isinstance(settings, dict) else {}

    def _value(self, location: Location) -> Any:
        value: Any = self.merged
        for step in location:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def _is_refused_in(self, location: Location) -> bool:
        """Whether the location, or anything below it, was refused, wherever it is written."""
        ends = (f"{dotted(location)}.", f"{dotted(location[2:])}.", f"{dotted(location[3:])}.")
        return any(f"{key}.".startswith(ends) for _, key in self.refused)

    def _is_refused(self, location: Location) -> bool:
        return self._origin(location) in self.refused

    def _origin(self, location: Location) -> _Origin:
        document, place = self.sources.origin(location)
        return document.file, document.key(place)

    def _problem(self, location: Location, found: str, expected: str, remedy: str) -> Problem:
        return Problem(*self._origin(location), found, expected, remedy)

    def _trouble(self, origin: _Origin, trouble: Trouble) -> Problem:
        return Problem(*origin, trouble.found, trouble.expected, trouble.remedy)


def _route(target: _Seen) -> Route | None:
    """The way to a target; None where it is not known, which is told elsewhere."""
    try:
        return route_of(target.address, target.ssh) if target.address and target.ssh else None
    except RouteError:
        return None


def _section(layer: _Layer) -> dict[str, Any]:
    document, location = layer
    try:
        section = document.at(location)
    except (KeyError, IndexError, TypeError):
        return {}
    return section if isinstance(section, dict) else {}


def _text(section: Any, key: str, default: str | None = None) -> str | None:
    """What a section says of a key, if it is text."""
    value = section.get(key, default) if isinstance(section, dict) else default
    return value if isinstance(value, str) else None

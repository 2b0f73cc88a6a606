"""`python -m configs versions`: pinned, set, installed and newest versions, and moving a pin.

--json: {"targets": {target: {package: {"pinned", "set", "installed", "newest"}, …}, …},
"problems": [text, …]}. What is not known is null.
"""

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches

import gevent
from pyinfra.api import Host

from configs import Target
from configs.debian_versions import compare
from configs.loader import Configuration, inventory_path, judge, read_sources
from configs.merging import Sources
from configs.pin_editing import NoChecksums, fetch_checksums, move_pin
from configs.pins import SECTIONS
from configs.versions import EXACT_VERSION, Versions, load_versions
from facts.offers import FreshOffers
from facts.versions import Versions as InstalledVersions
from facts.versions import of_package
from state.commands import remote, terminal
from state.commands.table import Column, lines
from state.refusing import Refusal

_REPOSITORY, PROMETHEUS = "grafana", "prometheus"
_PROMETHEUS = (
    "sed -n 's#^ExecStart=/opt/prometheus/\\([^/]*\\)/.*#\\1#p'"
    " /etc/systemd/system/prometheus.service"
)


@dataclass(frozen=True)
class Row:
    """The versions of one package on one target; None is not known, or not there.

    ``pinned``: by versions.yaml. ``set``: what the settings say: pinned, latest or a version.
    ``newest``: the newest one that the repository has and that is not known to be broken.
    """

    target: str
    package: str
    pinned: str
    set: str
    installed: str | None
    newest: str | None


def run(chosen: argparse.Namespace) -> int:
    """Show the versions, or move a pin; exit code 1 with problems. Raises Refusal."""
    path = inventory_path()
    sources = read_sources(path, os.environ, {})
    configuration = judge(path, sources)
    if chosen.upgrade:
        return _upgrade(chosen.upgrade, configuration, sources)
    rows, problems = _ask(chosen.targets, configuration, sources)
    if chosen.json:
        targets: dict[str, dict[str, object]] = {}
        for row in rows:
            values = asdict(row)
            target, package = values.pop("target"), values.pop("package")
            targets.setdefault(target, {})[package] = values
        terminal.document({"targets": targets, "problems": problems})
        return bool(problems)
    for line in _table(rows):
        print(line)
    for problem in problems:
        terminal.say(problem, "red")
    return bool(problems)


def _table(rows: Sequence[Row]) -> list[str]:
    columns = [
        Column("target", [row.target for row in rows]),
        Column("package", [row.package for row in rows]),
        Column("pinned", [row.pinned for row in rows]),
        Column("set", [row.set for row in rows]),
        Column("installed", [row.installed or "-" for row in rows]),
        Column("newest", [row.newest or "-" for row in rows]),
    ]
    return lines(columns, [_colour(row) for row in rows]) if rows else []


def _colour(row: Row) -> str | None:
    """Yellow for a package that could be newer than it is."""
    is_old = row.newest and row.installed and compare(row.installed, row.newest) < 0
    return "yellow" if is_old else None


def packages_of(target: Target) -> list[str]:
    """The vendors' packages that a target has."""
    shipper = target.settings.logs.shipper
    return [shipper] if target.role != "observability" else ["grafana", "loki", shipper, PROMETHEUS]


def _ask(
    names: Sequence[str], configuration: Configuration, sources: Sources
) -> tuple[list[Row], list[str]]:
    """The rows of these targets, or of all, and what keeps others from being told."""
    versions = load_versions()
    with remote.targets(names) as (hosts, failed):
        asking = [
            gevent.spawn(_rows_of, host, configuration.targets[host.name], sources, versions)
            for host in hosts
        ]
        gevent.joinall(asking, raise_error=True)
        found = dict(each.get() for each in asking)
    problems = [f"{each.target}: {each.message}; {each.remedy}" for each in failed]
    order = [name for name in configuration.targets if name in found]
    rows = [row for name in order for row in found[name][0]]
    return rows, [*problems, *(text for name in order for text in found[name][1])]


def _rows_of(
    host: Host, target: Target, sources: Sources, versions: Versions
) -> tuple[str, tuple[list[Row], list[str]]]:
    packages = packages_of(target)
    from_apt = [name for name in packages if name != PROMETHEUS]
    repository = target.settings.grafana_apt
    commands = {name: of_package(name) for name in from_apt}
    if PROMETHEUS in packages:
        commands[PROMETHEUS] = _PROMETHEUS
    installed = host.get_fact(InstalledVersions, commands=commands)
    offers = host.get_fact(
        FreshOffers,
        names=from_apt,
        vendors=[f"{repository.url} stable main"],
        listed=None,
        ours=[f"{_REPOSITORY}.sources"],
    )
    rows = []
    for package in packages:
        there = [
            offer.version
            for offer in offers["versions"].get(package, [])
            if offer.url.rstrip("/") == repository.url
        ]
        location = ("targets", target.name, "settings", SECTIONS[package], "version")
        rows.append(
            Row(
                target=target.name,
                package=package,
                pinned=versions.pins.version_of(package),
                set=str(sources.written(location)),
                installed=installed.get(package),
                newest=next(iter(versions.without_refused(package, there)), None),
            )
        )
    problems = [f"{target.name}: {url}: {reason}" for url, reason in offers["failed"].items()]
    return target.name, (rows, problems)


def _upgrade(wanted: str, configuration: Configuration, sources: Sources) -> int:
    """Move a pin. ``wanted``: NAME or NAME=VERSION. Raises Refusal."""
    versions = load_versions()
    package, _, version = wanted.partition("=")
    if package not in SECTIONS:
        near = get_close_matches(package, SECTIONS, n=1)
        raise Refusal(
            f"the package {package!r}",
            f"one of {', '.join(SECTIONS)}",
            f"did you mean {near[0]}?" if near else "name one of these",
        )
    if version and not re.fullmatch(EXACT_VERSION, version):
        raise Refusal(
            f"the version {version!r}",
            "a version as the repository has it, such as 3.7.6",
            f"name one that python -m configs versions shows: --upgrade {package}=VERSION",
        )
    version = version or _newest(package, configuration, sources)
    pinned = versions.pins.version_of(package)
    if version == pinned:
        terminal.say(f"{package} is pinned to {pinned} already; nothing was changed")
        return 0
    for entry in versions.faults_of(package, version):
        if entry.refuse:
            raise Refusal(
                f"{package} {version}, which is known to be broken: {entry.why}",
                "a release that works",
                f"take another one: --upgrade {package}=VERSION",
            )
        terminal.say(f"note: {package} {version}: {entry.why}", "yellow")
    sha256 = None
    if package == PROMETHEUS:
        base_url = _observability(configuration).settings.prometheus.base_url
        try:
            sha256 = fetch_checksums(base_url, version)
        except NoChecksums as error:
            raise Refusal(
                str(error),
                "the checksums of the release for amd64 and arm64",
                "correct the version or prometheus.base_url, or write the pin by hand",
            ) from None
        for architecture, digest in sha256.items():
            terminal.verbatim(f"{architecture}: {digest}")
    move_pin(package, version, sha256)
    terminal.say(f"{package}: {pinned} → {version} in configs/versions.yaml", "green")
    terminal.say(
        "next: git diff configs/versions.yaml, then pyinfra inventory.py deploy.py --dry",
    )
    return 0


def _newest(package: str, configuration: Configuration, sources: Sources) -> str:
    """The newest version that the targets' repository has. Raises Refusal."""
    if package == PROMETHEUS:
        raise Refusal(
            "prometheus without a version: nothing tells which release is the newest",
            "prometheus=VERSION",
            "take a release of prometheus.base_url: --upgrade prometheus=VERSION",
        )
    target = _observability(configuration)
    if package not in packages_of(target):
        raise Refusal(
            f"{package} without a version, and no target has it",
            f"{package}=VERSION",
            f"name the version: --upgrade {package}=VERSION",
        )
    rows, problems = _ask([target.name], configuration, sources)
    for row in rows:
        if row.package == package and row.newest:
            return row.newest
    raise Refusal(
        "; ".join(problems) or f"no version of {package} in {target.settings.grafana_apt.url}",
        "a repository that has the package",
        f"name the version: --upgrade {package}=VERSION",
    )


def _observability(configuration: Configuration) -> Target:
    return next(each for each in configuration.targets.values() if each.role == "observability")

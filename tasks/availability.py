"""Availability: whether every package of the plan can be had, asked before anything changes."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyinfra import host

from configs.debian_versions import compare, version_key
from configs.findings import Finding
from configs.pins import SECTIONS
from configs.versions import BrokenRelease, Versions
from facts.health import HealthData
from facts.offers import FreshOffers, Offer, Offers, OffersData, no_offers
from facts.packages import Packages, Sources
from tasks.component import Component, Site
from tasks.operations.apt import lacking_suites, sources_text
from tasks.php.versions import OF_DEBIAN
from tasks.preflight import is_supported
from tasks.repositories import Repository
from tasks.vendors import preferences

# How many versions below and above a missing one are told.
_NEAREST = 3
# The place of a reason that concerns all sources.
_APT = "apt"
_PHP = re.compile(r"php(\d\.\d)-")


@dataclass(frozen=True)
class Plan:
    """The packages that a target is to have, and what is known of them.

    ``wanted``: NAME or NAME=VERSION → the repositories of the components that ask for it.
    ``installed``: package → version, of those that are there.
    """

    site: Site
    versions: Versions
    wanted: Mapping[str, Collection[Repository]]
    installed: Mapping[str, str]
    offers: OffersData = field(default_factory=no_offers)

    @property
    def missing(self) -> list[str]:
        """The wanted packages that are not installed in the wanted version."""
        return missing_packages(self.wanted, self.installed)

    def repositories_of(self, package: str) -> Collection[Repository]:
        """The vendors' repositories that a package may come from."""
        return next((its for name, its in self.wanted.items() if _name(name) == package), ())

    def offered(self, package: str) -> list[Offer]:
        """The versions that apt has of a package, newest first.

        Debian has packages by the names of some vendors' (loki is a program for geneticists), so
        those of a pinned package count only if they come from the vendor.
        """
        offers = self.offers["versions"].get(package, [])
        if package not in SECTIONS:
            return offers
        urls = {repository.url.rstrip("/") for repository in self.repositories_of(package)}
        return [offer for offer in offers if offer.url.rstrip("/") in urls]

    def is_allowed(self, package: str, version: str) -> bool:
        """Whether a version is not known to be broken, or worth no more than a warning."""
        installed = self.installed.get(package)
        return bool(self.versions.without_refused(package, [version], installed))

    def is_available(self, wanted: str) -> bool:
        """Whether apt has a package in the wanted version."""
        package, _, version = wanted.partition("=")
        if package not in self.offers["versions"]:
            # A package that is held at the wanted version is not among those to install.
            return self.offers["possible"]
        offers = self.offered(package)
        return any(offer.version == version for offer in offers) if version else bool(offers)


def missing_packages(wanted: Iterable[str], installed: Mapping[str, str]) -> list[str]:
    """Those of the ``wanted`` packages (NAME or NAME=VERSION) that have to be installed."""
    there = {*installed, *(f"{name}={version}" for name, version in installed.items())}
    return sorted(set(wanted) - there)


def check_packages(
    site: Site, stack: Sequence[Component], health: HealthData, versions: Versions, *, dry: bool
) -> list[Finding]:
    """Every package and release of the plan that cannot be had, or is known to be broken.

    apt is asked only if packages are missing on the target. ``dry``: whether nothing is deployed
    afterwards, so that nothing is worth keeping.
    """
    wanted: dict[str, dict[Repository, None]] = {}
    for item in stack:
        for name in item.packages(site):
            wanted.setdefault(name, {}).update(dict.fromkeys(item.repositories(site)))
    names = sorted(wanted)
    packages = host.get_fact(Packages, names=sorted(map(_name, names)))
    plan = Plan(site, versions, wanted, packages["versions"])
    can_ask = (
        is_supported(site.hardware) and health["root"] and health["mirror"] and health["resolves"]
    )
    if plan.missing and can_ask:
        offers = _ask(plan, packages["lists_age_s"], keep=not dry)
        plan = Plan(site, versions, wanted, plan.installed, offers)
        findings = [*_unreadable(plan), *_unavailable(plan), *_unmet(plan)]
    else:
        findings = []
    return [*findings, *_broken(plan), *_releases(site, stack, versions)]


def _ask(plan: Plan, lists_age_s: int | None, *, keep: bool) -> OffersData:
    """Ask apt, offline if its lists are fresh and complete, else with lists read again."""
    settings = plan.site.settings.apt
    vendors = list({each: None for its in plan.wanted.values() for each in its})
    found = host.get_fact(Sources)
    suites = lacking_suites(found, settings.mirror) or {}
    is_fresh = lists_age_s is not None and lists_age_s <= settings.cache_hours * 3600
    is_configured = not suites and all(
        each.url.rstrip("/") in found.get(each.suite, ()) for each in vendors
    )
    names = plan.missing
    # Of these, the preflight may have to tell which other versions there are.
    listed = [
        package
        for package, _, version in (name.partition("=") for name in names)
        if package in SECTIONS and (not version or not plan.is_allowed(package, version))
    ]
    if is_fresh and is_configured:
        offers = host.get_fact(Offers, names=names, listed=listed)
        if _is_complete(plan, offers):
            return offers
    for own in (False, True) if is_fresh else (True,):
        offers = host.get_fact(
            FreshOffers,
            names=names,
            vendors=[f"{each.url} {each.suite} {each.components}" for each in vendors],
            listed=listed,
            ours=[f"{each.name}.sources" for each in vendors],
            suites=sources_text(suites) if suites else "",
            preferences="\n".join(
                [
                    *preferences(plan.wanted).values(),
                    *(each.preferences() for each in vendors if each.owns),
                ]
            ),
            own=own,
            keep=keep,
        )
        if _is_complete(plan, offers):
            break
    return offers


def _is_complete(plan: Plan, offers: OffersData) -> bool:
    asked = Plan(plan.site, plan.versions, plan.wanted, plan.installed, offers)
    return not offers["unmet"] and all(map(asked.is_available, plan.missing))


def _unreadable(plan: Plan) -> list[Finding]:
    """Package sources that could not be read."""
    findings: list[Finding] = []
    vendors = {each: None for its in plan.wanted.values() for each in its}
    for url, reason in plan.offers["failed"].items():
        vendor = next((each for each in vendors if url.startswith(each.url)), None)
        findings.append(
            Finding(
                f"package source {vendor.url if vendor else url}",
                reason or "no answer",
                "a repository that the server reaches",
                f"correct {vendor.name}_apt.url, or let the server reach it"
                if vendor
                else "correct the server's apt sources, or let it reach them: apt-get update",
            )
        )
    return findings


def _unavailable(plan: Plan) -> list[Finding]:
    """Packages that apt does not have, or not in the wanted version."""
    findings = []
    php: dict[str, list[str]] = {}
    for wanted in plan.missing:
        package, _, version = wanted.partition("=")
        if plan.is_available(wanted) or _is_explained(plan, package):
            continue
        if match := _PHP.match(package):
            php.setdefault(match[1], []).append(package)
        elif version:
            findings.append(_lacks_version(plan, package, version))
        else:
            findings.append(
                Finding(
                    f"package {package}",
                    f"none of this name in {_places(plan, package)}",
                    "a package that apt has",
                    "correct the repository's URL, or take the component out: --data skip=…",
                )
            )
    return [*findings, *(_lacks_php(plan, version, names) for version, names in php.items())]


def _is_explained(plan: Plan, package: str) -> bool:
    """Whether a package is not offered because a source that may have it could not be read."""
    failed = plan.offers["failed"]
    if plan.offered(package) or not failed:
        return False
    own = plan.repositories_of(package)
    if _APT in failed or any(url.startswith(each.url) for url in failed for each in own):
        return True
    every = [each for its in plan.wanted.values() for each in its]
    archives = [url for url in failed if not any(url.startswith(each.url) for each in every)]
    return bool(archives) and package not in SECTIONS


def _lacks_version(plan: Plan, package: str, version: str) -> Finding:
    setting = f"{SECTIONS[package]}.version" if package in SECTIONS else "its version"
    is_pinned = package in SECTIONS and plan.versions.pins.version_of(package) == version
    there = [offer.version for offer in plan.offered(package)]
    near = nearest(version, plan.versions.without_refused(package, there)) or there
    what = f"no {version}, which is pinned," if is_pinned else f"no {version}"
    told = f"it has {', '.join(near)}" if near else "it has no version at all"
    if is_pinned and near:
        remedy = (
            f"move the pin: python -m configs versions --upgrade {package}={near[0]};"
            f' or set {setting} to one of these versions, or to "latest"'
        )
    else:
        remedy = f'set {setting} to one of these versions, to "pinned" or to "latest"'
    return Finding(
        f"package {package}",
        f"{what} in {_places(plan, package)}; {told}",
        "a version that the repository has",
        remedy,
    )


def _lacks_php(plan: Plan, version: str, names: Sequence[str]) -> Finding:
    return Finding(
        f"PHP {version}",
        f"no {', '.join(names)} in {_places(plan, names[0])}",
        f"a version of Debian ({', '.join(OF_DEBIAN)}) or of that repository",
        f'take "{version}" out of php.versions',
    )


def _unmet(plan: Plan) -> list[Finding]:
    """Packages that exist, but cannot be installed beside each other."""
    if not plan.offers["unmet"]:
        return []
    return [
        Finding(
            "packages",
            f"unmet dependencies: {'; '.join(plan.offers['unmet'])}",
            "packages that can be installed together",
            "look for packages that are held or of another release: apt-mark showhold and"
            " apt-get check on the target",
        )
    ]


def _broken(plan: Plan) -> list[Finding]:
    """Releases of the plan that are known to be broken; a warning if they are there already."""
    findings = []
    missing = {_name(name) for name in plan.missing}
    for wanted in plan.wanted:
        package, _, version = wanted.partition("=")
        installed = plan.installed.get(package)
        version = version or plan.offers["install"].get(package) or installed or ""
        if package not in SECTIONS or not version:
            continue
        there = [offer.version for offer in plan.offered(package)]
        pin = plan.versions.pins.version_of(package)
        good = plan.versions.without_refused(package, there or [pin], installed)
        for entry in plan.versions.faults_of(package, version, installed):
            is_refused = entry.refuse and package in missing
            findings.append(_broken_release(entry, version, nearest(version, good), is_refused))
    return findings


def _broken_release(
    entry: BrokenRelease, version: str, good: Sequence[str], is_refused: bool
) -> Finding:
    setting = f"{SECTIONS[entry.package]}.version"
    return Finding(
        f"{entry.package} {version}",
        f"a release that is known to be broken: {entry.why}; it shows so: {entry.symptom}",
        f"a release that works: {', '.join(good)}" if good else "a release that works",
        f'set {setting} to "{good[0]}"' if good else f'set {setting} to "pinned"',
        warning=not is_refused,
    )


def _releases(site: Site, stack: Sequence[Component], versions: Versions) -> list[Finding]:
    """Whether the release of Prometheus is fit for the target."""
    if not any(item.name == "prometheus" for item in stack):
        return []
    return check_prometheus(
        site.settings.prometheus.version,
        site.settings.prometheus.sha256,
        site.debian_architecture,
        versions,
    )


def check_prometheus(
    version: str, sha256: Mapping[Any, str], architecture: str, versions: Versions
) -> list[Finding]:
    """Whether a release of Prometheus has a checksum for the architecture, and no known fault."""
    pin = versions.pins.prometheus.version
    findings = [
        Finding(
            f"prometheus {version}",
            f"a release with known faults: {entry.why}",
            f"{pin}, or a newer release",
            'set prometheus.version to "pinned"',
            warning=not entry.refuse,
        )
        for entry in versions.faults_of("prometheus", version)
    ]
    if architecture not in sha256:
        findings.append(
            Finding(
                f"prometheus {version}",
                f"no checksum for {architecture}",
                f"a checksum for {architecture} beside {', '.join(sha256)}",
                f"add {architecture} to prometheus.sha256, or set prometheus.version to"
                ' "pinned" and take the sha256 out',
            )
        )
    return findings


def nearest(version: str, others: Iterable[str], count: int = _NEAREST) -> list[str]:
    """The ``others`` that are nearest to a version: newer ones first, oldest of these first."""
    ordered = sorted(set(others) - {version}, key=version_key)
    newer = [each for each in ordered if compare(each, version) > 0]
    older = [each for each in ordered if compare(each, version) < 0]
    return [*newer[:count], *reversed(older[-count:])]


def _places(plan: Plan, package: str) -> str:
    urls = [repository.url for repository in plan.repositories_of(package)]
    return " or ".join(urls) or "Debian's archive"


def _name(wanted: str) -> str:
    return wanted.split("=")[0]

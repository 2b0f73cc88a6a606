"""The preflight's questions to apt: what cannot be had is found before anything changes."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyinfra.context import ctx_host, ctx_state

from configs.findings import Finding
from configs.versions import load_versions
from facts.offers import FreshOffers, Offer, Offers, OffersData
from facts.packages import Packages
from tasks import availability, vendors
from tasks.availability import check_packages, check_prometheus, nearest
from tasks.component import Component, Site, component
from tasks.operations.apt import apt_script, install_packages
from tests.unit.helpers import configuration, fake_state, hardware
from tests.unit.test_preflight import health

VERSIONS = load_versions()
PINS = VERSIONS.pins
GRAFANA, SURY = "https://apt.grafana.com", "https://packages.sury.org/php"
DEBIAN = "http://mirror.example/debian"
INVENTORY = """
targets:
  watch: {{role: observability, address: 10.9.0.11}}
  web: {{role: vpsmanager, address: 10.9.0.21}}
settings: {settings}
"""
# What a host answers that has Debian's sources and all vendors', and fresh lists.
SOURCES = [
    f"trixie {DEBIAN}",
    f"trixie-updates {DEBIAN}",
    f"trixie-security {DEBIAN}-security",
    f"stable {GRAFANA}",
    f"trixie {SURY}",
]


@component(
    packages=lambda site: [vendors.pinned("loki", site.settings.loki.version)],
    repositories=lambda site: [vendors.grafana(site)],
)
def loki(_: Site) -> None:
    """A component with a pinned package."""


@component(
    packages=lambda site: [vendors.pinned("grafana", site.settings.grafana.version)],
    repositories=lambda site: [vendors.grafana(site)],
)
def grafana(_: Site) -> None:
    """Another one of the same repository."""


@component(packages=["nginx"])
def nginx(_: Site) -> None:
    """A component with a package of Debian."""


@component(
    packages=["php8.5-fpm", "php8.5-opcache"],
    repositories=lambda site: [vendors.php(site)],
)
def php(_: Site) -> None:
    """A component with several packages of a vendor."""


Check = Callable[..., list[Finding]]


def offers(
    versions: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    install: Mapping[str, str] | None = None,
    failed: Mapping[str, str] | None = None,
    unmet: Sequence[str] = (),
) -> list[str]:
    """The lines that a fact about offers prints; what it would install is all that is wanted."""
    return [
        *(["possible=yes"] if install else []),
        *(f"offer={n}={v} {url}" for n, its in (versions or {}).items() for v, url in its),
        *(f"install={name}={version}" for name, version in (install or {}).items()),
        *(f"failed={url} {reason}" for url, reason in (failed or {}).items()),
        *(f"unmet={line}" for line in unmet),
    ]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Check a stack on a host with these answers; ``asked`` notes which questions came."""

    def check(
        *stack: Component,
        installed: Sequence[str] = (),
        offline: Sequence[str] = (),
        fresh: Sequence[str] = (),
        settings: str = "{}",
        sources: Sequence[str] = SOURCES,
        age: str = "age=60",
        asked: list[Any] | None = None,
        changes: Mapping[str, Any] | None = None,
        system: str = "13",
    ) -> list[Finding]:
        targets = configuration(tmp_path, INVENTORY.format(settings=settings)).targets
        site = Site(
            targets["watch"],
            hardware(os_version=system),
            list(targets.values()),
            ["watch"],
            [22],
            {},
        )
        responses = {
            "dpkg-query": ["unfinished=no", *(["pkg=" + each for each in installed]), age],
            "--print-uris": list(sources),
            "read_vendors": list(fresh),
            "apt-cache madison": list(offline),
        }
        state = fake_state(["watch"], responses)
        host = state.inventory.get_host("@fake/watch")
        plain = host.get_fact

        def get_fact(fact: Any, *args: Any, **kwargs: Any) -> Any:
            if asked is not None:
                asked.append((fact, kwargs))
            return plain(fact, *args, **kwargs)

        monkeypatch.setattr(host, "get_fact", get_fact)
        with ctx_state.use(state), ctx_host.use(host):
            return check_packages(site, stack, health(**(changes or {})), VERSIONS, dry=False)

    return check


# What is asked


def test_apt_is_not_asked_when_nothing_is_missing(check: Check) -> None:
    asked: list[Any] = []
    installed = [f"loki|{PINS.loki.version}", "nginx|1.26.3-3"]
    assert check(loki, nginx, installed=installed, asked=asked) == []
    assert [fact.__name__ for fact, _ in asked] == ["Packages"]


def test_lists_of_the_host_are_enough_if_they_have_everything(check: Check) -> None:
    asked: list[Any] = []
    offline = offers(install={"loki": PINS.loki.version, "nginx": "1.26.3-3"})
    assert check(loki, nginx, offline=offline, asked=asked) == []
    assert Offers in [fact for fact, _ in asked]
    assert FreshOffers not in [fact for fact, _ in asked]


def test_a_version_newer_than_the_lists_has_the_vendors_read_again(check: Check) -> None:
    asked: list[Any] = []
    offline = offers({"loki": [("3.7.5", GRAFANA)]})
    fresh = offers(install={"loki": PINS.loki.version})
    assert check(loki, offline=offline, fresh=fresh, asked=asked) == []
    [arguments] = [kwargs for fact, kwargs in asked if fact is FreshOffers]
    assert arguments["own"] is False
    assert arguments["vendors"] == [f"{GRAFANA} stable main"]
    assert arguments["ours"] == ["grafana.sources"]
    assert f"Package: loki\nPin: version {PINS.loki.version}\n" in arguments["preferences"]


@pytest.mark.parametrize("age", ["", "age=90000"])
def test_a_host_without_fresh_lists_reads_all_and_keeps_them(check: Check, age: str) -> None:
    asked: list[Any] = []
    fresh = offers(install={"loki": PINS.loki.version})
    assert check(loki, fresh=fresh, sources=SOURCES[:1], age=age, asked=asked) == []
    [arguments] = [kwargs for fact, kwargs in asked if fact is FreshOffers]
    assert arguments["own"] and arguments["keep"]
    assert f"URIs: {DEBIAN}-security\nSuites: trixie-security\n" in arguments["suites"]


@pytest.mark.parametrize("change", [{"root": False}, {"mirror": ""}, {"resolves": False}])
def test_a_host_that_cannot_ask_is_not_asked(check: Check, change: Mapping[str, Any]) -> None:
    """What keeps it from asking is a finding of its own."""
    asked: list[Any] = []
    assert check(loki, asked=asked, changes=change) == []
    assert check(loki, asked=asked, system="12") == []
    assert [fact.__name__ for fact, _ in asked] == ["Packages", "Packages"]


# What is found


def test_a_misspelt_version_is_told_with_the_nearest_ones(check: Check) -> None:
    there = [(version, GRAFANA) for version in ("3.7.7", "3.7.6", "3.7.5", "3.6.1")]
    fresh = offers({"loki": [*there, ("2.4.7.4-12", DEBIAN)]})
    [finding] = check(loki, fresh=fresh, settings='{loki: {version: "3.7.66"}}')
    assert finding.check == "package loki"
    assert finding.found == f"no 3.7.66 in {GRAFANA}; it has 3.7.7, 3.7.6, 3.7.5"
    assert finding.expected == "a version that the repository has"
    assert finding.remedy == (
        'set loki.version to one of these versions, to "pinned" or to "latest"'
    )
    assert not finding.warning


def test_a_pin_that_is_gone_is_told_with_what_there_is(check: Check) -> None:
    fresh = offers({"loki": [("3.9.1", GRAFANA), ("3.9.0", GRAFANA)]})
    [finding] = check(loki, fresh=fresh)
    pin = PINS.loki.version
    assert finding.found == f"no {pin}, which is pinned, in {GRAFANA}; it has 3.9.0, 3.9.1"
    assert "python -m configs versions --upgrade loki=3.9.0" in finding.remedy


def test_a_repository_with_no_version_at_all(check: Check) -> None:
    """Debian's package of the same name is another program."""
    fresh = offers({"loki": [("2.4.7.4-12", DEBIAN)]})
    [finding] = check(loki, fresh=fresh)
    assert finding.found.endswith("; it has no version at all")
    fresh = offers({"loki": [("2.4.7.4-12", DEBIAN)]}, install={"loki": "2.4.7.4-12"})
    [finding] = check(loki, fresh=fresh, settings="{loki: {version: latest}}")
    assert finding.found == f"none of this name in {GRAFANA}"
    assert finding.expected == "a package that apt has"


def test_missing_packages_of_a_php_version_are_one_finding(check: Check) -> None:
    [finding] = check(php, nginx, fresh=offers({"nginx": [("1.26", DEBIAN)]}))
    assert (finding.check, finding.found) == (
        "PHP 8.5",
        f"no php8.5-fpm, php8.5-opcache in {SURY}",
    )
    assert finding.expected == "a version of Debian (8.4) or of that repository"
    assert finding.remedy == 'take "8.5" out of php.versions'
    [finding] = check(php, fresh=offers({"php8.5-fpm": [("8.5.1", SURY)]}))
    assert finding.found == f"no php8.5-opcache in {SURY}"


def test_a_repository_that_cannot_be_read_is_told_once(check: Check) -> None:
    failed = {f"{GRAFANA}/dists/stable/InRelease": "Unable to connect"}
    fresh = offers({"nginx": [("1.26", DEBIAN)]}, failed=failed)
    [finding] = check(loki, grafana, nginx, fresh=fresh)
    assert finding.check == f"package source {GRAFANA}"
    assert finding.found == "Unable to connect"
    assert finding.expected == "a repository that the server reaches"
    assert finding.remedy == "correct grafana_apt.url, or let the server reach it"


def test_debians_archive_that_cannot_be_read(check: Check) -> None:
    fresh = offers(failed={f"{DEBIAN}/dists/trixie/InRelease": "404  Not Found"})
    [finding] = check(nginx, fresh=fresh, age="")
    assert finding.check == f"package source {DEBIAN}/dists/trixie/InRelease"
    assert "apt-get update" in finding.remedy


def test_sources_that_exclude_each_other_are_told_once(check: Check) -> None:
    failed = {"apt": "Conflicting values set for option Signed-By regarding source x"}
    [finding] = check(loki, nginx, fresh=offers(failed=failed))
    assert finding.check == "package source apt"
    assert finding.found.startswith("Conflicting values set for option Signed-By")


def test_packages_that_exclude_each_other(check: Check) -> None:
    there = {"nginx": [("1.26", DEBIAN)], "loki": [(PINS.loki.version, GRAFANA)]}
    fresh = offers(there, unmet=["loki : Depends: libc6 (>= 2.99)"])
    [finding] = check(loki, nginx, fresh=fresh)
    assert finding.check == "packages"
    assert finding.found == "unmet dependencies: loki : Depends: libc6 (>= 2.99)"
    assert finding.expected == "packages that can be installed together"


def test_all_findings_come_together(check: Check) -> None:
    fresh = offers(
        {
            "loki": [("3.7.5", GRAFANA)],
            "grafana": [("13.2.4", GRAFANA)],
            "nginx": [("1.26", DEBIAN)],
        },
        failed={f"{SURY}/dists/trixie/InRelease": "no answer"},
    )
    found = [each.check for each in check(loki, grafana, php, nginx, fresh=fresh)]
    assert found == [f"package source {SURY}", "package grafana", "package loki"]


# Known-broken releases


def test_a_broken_release_is_refused_with_the_nearest_good_one(check: Check) -> None:
    there = [(version, GRAFANA) for version in ("13.2.4", "13.2.1", "13.2.0", "13.1.1", "13.0.9")]
    fresh = offers({"grafana": there}, install={"grafana": "13.2.0"})
    [finding] = check(grafana, offline=fresh, settings='{grafana: {version: "13.2.0"}}')
    assert finding.check == "grafana 13.2.0" and not finding.warning
    assert finding.found.startswith("a release that is known to be broken: the package does not")
    assert finding.expected == "a release that works: 13.2.1, 13.2.4, 13.0.9"
    assert finding.remedy == 'set grafana.version to "13.2.1"'


def test_latest_that_is_a_broken_release_is_refused(check: Check) -> None:
    fresh = offers(
        {"grafana": [("13.2.0", GRAFANA), ("13.1.4", GRAFANA)]}, install={"grafana": "13.2.0"}
    )
    [finding] = check(grafana, offline=fresh, settings="{grafana: {version: latest}}")
    assert finding.check == "grafana 13.2.0" and not finding.warning
    assert finding.remedy == 'set grafana.version to "13.1.4"'


def test_a_broken_release_that_is_there_is_a_warning(check: Check) -> None:
    settings = "{grafana: {version: latest}}"
    [finding] = check(grafana, installed=["grafana|13.2.0"], settings=settings)
    assert finding.warning
    assert finding.remedy == f'set grafana.version to "{PINS.grafana.version}"'


def test_a_broken_step_is_refused(check: Check) -> None:
    there = [("13.2.4", GRAFANA), ("13.2.1", GRAFANA), ("13.2.0", GRAFANA)]
    settings = '{grafana: {version: "13.2.1"}}'
    fresh = offers({"grafana": there}, install={"grafana": "13.2.1"})
    [broken] = check(grafana, installed=["grafana|13.2.0"], offline=fresh, settings=settings)
    assert "the step from 13.2.0 removes the bundled plugins" in broken.found
    assert broken.remedy == 'set grafana.version to "13.2.4"'
    assert check(grafana, installed=["grafana|13.1.4"], offline=fresh, settings=settings) == []


def test_an_old_prometheus_is_a_warning() -> None:
    pin = PINS.prometheus
    assert check_prometheus(pin.version, pin.sha256, "amd64", VERSIONS) == []
    [finding] = check_prometheus("3.8.1", pin.sha256, "arm64", VERSIONS)
    assert finding.warning and "known vulnerabilities" in finding.found
    assert finding.expected == f"{pin.version}, or a newer release"


def test_a_prometheus_without_a_checksum_for_the_machine() -> None:
    [finding] = check_prometheus(PINS.prometheus.version, {"amd64": "a" * 64}, "arm64", VERSIONS)
    assert finding.found == "no checksum for arm64" and not finding.warning
    assert finding.expected == "a checksum for arm64 beside amd64"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.7.6", ["3.8.0", "3.9.0", "3.10.0", "3.7.5", "3.7.4", "3.6.0"]),
        ("1.0", ["3.5.9", "3.6.0", "3.7.4"]),
        ("9.9", ["3.11.0", "3.10.0", "3.9.0"]),
    ],
)
def test_nearest_versions_are_newer_ones_first(version: str, expected: list[str]) -> None:
    there = ["3.11.0", "3.10.0", "3.9.0", "3.8.0", "3.7.5", "3.7.4", "3.6.0", "3.5.9"]
    assert nearest(version, there) == expected


# The facts


def test_offers_are_read_with_their_sources() -> None:
    lines = [
        "possible=yes",
        f"offer=loki=3.7.6 {GRAFANA}",
        f"offer=loki=2.4-1 {DEBIAN}",
        "install=loki=3.7.6",
        "install=libc6:arm64=2.41",
        "unmet=a :  Depends: b  but it is not going to be installed",
        f"failed={GRAFANA}/dists/stable/InRelease  404  Not Found",
        f"failed={GRAFANA}/dists/stable/InRelease again",
    ]
    assert Offers().process(lines) == OffersData(
        possible=True,
        versions={"loki": [Offer("3.7.6", GRAFANA), Offer("2.4-1", DEBIAN)]},
        install={"loki": "3.7.6", "libc6": "2.41"},
        unmet=["a : Depends: b but it is not going to be installed"],
        failed={f"{GRAFANA}/dists/stable/InRelease": "404  Not Found"},
    )


def test_a_package_that_is_held_is_installed(check: Check) -> None:
    """By an operator, at the wanted version; apt has nothing to install then."""
    assert check(nginx, offline=["possible=yes"]) == []
    command = str(Packages().command(["nginx"]).get_raw_value())
    line = "hi |nginx|1.26"
    awk = "awk" + command.partition("| awk")[2].partition("; lists=")[0]
    done = subprocess.run(["sh", "-c", awk], input=line, capture_output=True, text=True)
    assert Packages().process(done.stdout.splitlines())["versions"] == {"nginx": "1.26"}


def test_nothing_of_a_question_is_kept_unless_a_deploy_follows() -> None:
    def text(**arguments: Any) -> str:
        command = FreshOffers().command(["loki"], [f"{GRAFANA} stable main"], **arguments)
        return str(command.get_raw_value())

    assert "/run/chom/lists" in text(own=True, keep=True)
    assert "/run/chom/lists" not in text(own=True) + text(keep=True)
    assert "trap 'rm -rf \"$t\"' EXIT" in text()


def test_values_of_a_question_are_quoted() -> None:
    command = FreshOffers().command(["a;b"], ["http://x/$(id) stable main"])
    text = str(command.get_raw_value())
    assert "vendors='http://x/$(id) stable main'" in text
    assert "simulate 'a;b'" in text


# The installation


def install(offline: Sequence[str], age: str = "age=60") -> list[str]:
    """The commands by which packages are installed on a host with these answers."""
    state = fake_state(
        ["web"],
        {"dpkg-query": ["unfinished=no", "pkg=loki|3.7.5", age], "apt-get -s": list(offline)},
    )
    with ctx_state.use(state), ctx_host.use(state.inventory.get_host("@fake/web")):
        commands = install_packages._inner(
            names=["loki=3.7.6"], cache_hours=24, lock_timeout_s=10, changing=set()
        )
        return [str(command) for command in commands]


def test_lists_that_lack_a_version_are_fetched_first() -> None:
    assert "update" not in install(["loki 3.7.6"])[0]
    assert " update;" in install([])[0]


def test_lists_of_the_preflight_are_taken_before_an_update() -> None:
    assert "/run/chom/lists/" in apt_script(["loki"], True, 10)
    assert "/run/chom/lists/" not in apt_script(["loki"], False, 10)


# Held versions


def test_packages_of_a_certain_version_are_held_at_it() -> None:
    texts = vendors.preferences(["nginx", "loki=3.7.6", "alloy=1.18.1-1"])
    assert list(texts) == ["alloy", "loki"]
    assert texts["alloy"].splitlines() == [
        "# written by chom; changes are overwritten",
        "Package: alloy",
        "Pin: version 1.18.1-1",
        "Pin-Priority: 1000",
    ]
    assert vendors.preferences(["nginx", "loki"]) == {}


def test_packages_of_another_version_are_missing() -> None:
    assert availability.missing_packages(["a=1", "b", "c=2"], {"a": "1", "c": "1"}) == ["b", "c=2"]

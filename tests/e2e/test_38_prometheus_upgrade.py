"""Prometheus by its pin: a step back, an upgrade that is refused, and one with its data.

All of them are real releases: that of Debian 13, and a release of series 3.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from tasks.prometheus.places import folder_of
from tests.e2e.command import Outcome
from tests.e2e.machines import answer, page, properties
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed
from tests.lab.prometheus import Release

MACHINE, UNIT = "observability", "prometheus"
ALONE = ("--data", "only=prometheus", "--limit", MACHINE)
WARNING = "a step back from {} to {}"


class Releases:
    """The two releases, and Prometheus on the machine."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.old, self.new = platform.lab.prometheus_releases

    def changes(self, release: Release, sha256: str = "") -> Mapping[str, Any]:
        """Changes of the inventory that ask for a release, with its checksum or another one."""
        sums = {release.architecture: sha256 or release.sha256}
        return {
            "settings.prometheus.version": release.version,
            "settings.prometheus.sha256": sums,
        }

    def deploy(self, release: Release, *arguments: str, sha256: str = "") -> Outcome:
        """Deploy Prometheus alone, whatever comes of it."""
        self.platform.unsettle()
        changes = self.changes(release, sha256)
        return self.platform.project.deploy(*(arguments or ("-y",)), *ALONE, changes=changes)

    def running(self) -> str:
        """The program that runs, as the kernel knows it."""
        process = properties(self.platform.lab, MACHINE, UNIT, "MainPID")["MainPID"]
        return answer(self.platform.lab, MACHINE, f"readlink /proc/{process}/exe")

    def is_running(self, release: Release) -> bool:
        """Whether the running program is that of a release, and not of files that are gone."""
        return self.running() == f"{folder_of(release.version)}/prometheus"

    def nothing_is_left_to_do(self, release: Release) -> bool:
        """Whether another deployment changes nothing."""
        outcome = self.deploy(release)
        assert outcome.code == 0, outcome
        return changed(self.platform.project.record()) == {}

    def samples_of(self, release: Release) -> list[Any]:
        """What is stored of the time in which a release ran."""
        query = f'last_over_time(prometheus_build_info{{version=~"{release.version}.*"}}[1d])'
        address = f"http://{self.platform.address(MACHINE)}:9090/api/v1/query"
        status, text = page(f"{address}?{urlencode({'query': query})}")
        assert status == 200, text
        found: list[Any] = json.loads(text)["data"]["result"]
        return found

    def wait_for_samples(self, release: Release) -> None:
        wait_for(f"samples of {release.version}", lambda: self.samples_of(release))


@pytest.fixture(scope="module")
def releases(platform: Platform) -> Releases:
    """The newer release, deployed, with some data."""
    platform.settle()
    found = Releases(platform)
    assert found.is_running(found.new)
    found.wait_for_samples(found.new)
    return found


def test_a_step_back_that_is_not_supported_is_said_and_works(releases: Releases) -> None:
    warning = WARNING.format(releases.new.version, releases.old.version)
    planned = releases.deploy(releases.old, "--dry")
    assert planned.code == 0 and warning in planned.text, planned
    assert releases.is_running(releases.new)

    outcome = releases.deploy(releases.old)
    assert outcome.code == 0 and warning in outcome.text, outcome
    assert releases.is_running(releases.old)
    assert releases.samples_of(releases.new)
    assert releases.nothing_is_left_to_do(releases.old)
    releases.wait_for_samples(releases.old)


def test_an_upgrade_with_another_checksum_is_refused(releases: Releases) -> None:
    """The older release runs on with its files."""
    lab, folder = releases.platform.lab, folder_of(releases.new.version)
    answer(lab, MACHINE, f"rm -rf {folder}")
    before = properties(lab, MACHINE, UNIT, "MainPID", "NRestarts")
    outcome = releases.deploy(releases.new, sha256="0" * 64)
    assert outcome.code == 1, outcome
    assert f"expected sha256 {'0' * 64}, but {releases.new.sha256} came" in outcome.text
    assert properties(lab, MACHINE, UNIT, "MainPID", "NRestarts") == before
    assert releases.is_running(releases.old)
    assert answer(lab, MACHINE, f"ls -d {folder} 2>/dev/null || true") == ""
    assert releases.nothing_is_left_to_do(releases.old)


def test_an_upgrade_keeps_the_data(releases: Releases) -> None:
    outcome = releases.deploy(releases.new)
    assert outcome.code == 0, outcome
    assert "a step back" not in outcome.text
    assert releases.is_running(releases.new)
    assert releases.samples_of(releases.old)
    assert releases.nothing_is_left_to_do(releases.new)
    releases.wait_for_samples(releases.new)


def test_a_whole_deployment_removes_the_older_release(releases: Releases) -> None:
    releases.platform.converge()
    assert releases.is_running(releases.new)
    found = answer(releases.platform.lab, MACHINE, "ls /opt/prometheus")
    assert found.split() == [releases.new.version]
    assert changed(releases.platform.converge()) == {}

"""The machines and the project that the tests share.

Booting and deploying takes most of the time, so one lab serves all tests, in the order of their
files: what is true of fresh machines first, what breaks machines and mends them again last. Where
pytest-xdist spreads the files over several workers, each has a lab of its own.
"""

import os
from collections.abc import Generator, Iterator

import pytest

from tests.e2e.first import First, deploy_first
from tests.e2e.labs import brought_up, need_root
from tests.e2e.platform import Platform
from tests.e2e.project import Project
from tests.lab import Lab

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
NAME, SUBNET = f"e2e{WORKER}", f"10.68.{WORKER}.0/24"
NAME_OF_THREE, SUBNET_OF_THREE = f"three{WORKER}", f"10.69.{WORKER}.0/24"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """One observability and one vpsmanager machine."""
    need_root()
    with brought_up(Lab(NAME, SUBNET)) as machines:
        yield machines


@pytest.fixture(scope="session")
def platform(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """These two and a copy of the project, in whatever state the last test left them."""
    return Platform(lab, Project(tmp_path_factory.mktemp("project"), lab))


@pytest.fixture(scope="session")
def first(platform: Platform) -> First:
    """Their first deployment, just done or done by an earlier test of this session."""
    return deploy_first(platform)


@pytest.fixture
def deployed(platform: Platform) -> Platform:
    """The platform as the lab's plain inventory wants it."""
    platform.settle()
    return platform


@pytest.fixture
def fresh(platform: Platform) -> Platform:
    """Fresh machines, never deployed to."""
    platform.refresh()
    return platform


@pytest.fixture
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Three fresh machines: one observability and two vpsmanager."""
    need_root()
    with brought_up(Lab(NAME_OF_THREE, SUBNET_OF_THREE, apps=2)) as machines:
        yield Platform(machines, Project(tmp_path_factory.mktemp("project-of-three"), machines))


@pytest.fixture(autouse=True)
def no_command_outlives_its_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """A failed test may leave a deployment running, which must not work on the next one's."""
    yield
    # Of a test that Ctrl-C ended, nothing is known any more.
    shared = (request.node.funcargs or {}).get("platform")
    if isinstance(shared, Platform):
        shared.project.kill_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """After a failure in the middle of something the next test gets machines it can rely on."""
    report = yield
    if isinstance(item, pytest.Function) and report.failed:
        shared = item.funcargs.get("platform")
        if isinstance(shared, Platform):
            shared.suspect()
    return report

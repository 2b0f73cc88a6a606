"""Logins of targets: each has its own, and gives up the shared one when nobody is refused."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Host

from configs.secret_names import OF_TARGETS, of_target
from configs.secrets import Secret
from facts.certificates import ShownCertificate
from facts.files import FileState
from tasks.component import Site, component, declare
from tasks.logs import component as logs
from tasks.metrics import component as metrics
from tasks.metrics.certificate import certificate, fingerprint
from tasks.stacks import STACKS, needed_secrets
from tests.unit.helpers import configuration, hardware, made_secrets
from tests.unit.test_secret_files import door  # noqa: F401

OBSERVABILITY, VPSMANAGER = "observability", "vpsmanager"


def site_of(folder: Path, shared: bool, *in_this_run: str) -> Site:
    """Site of vpsmanager; ``shared``: whether the secrets of earlier versions are in the file."""
    targets = list(configuration(folder).targets.values())
    needs = needed_secrets(targets)
    secrets = made_secrets(needs)
    if shared:
        retired = [replace(need, retired=False) for need in needs if need.retired]
        secrets |= made_secrets(retired)
    return Site(targets[1], hardware(), targets, list(in_this_run), [22], secrets)


def answers(monkeypatch: pytest.MonkeyPatch, text: str, shown: str) -> None:
    """Let each file on the host have this text, and each server present this certificate."""

    def get_fact(self: Host, fact: Any, **_: Any) -> Any:
        known = {FileState: {"sha256": sha256(text.encode()).hexdigest()}, ShownCertificate: shown}
        return known[fact]

    monkeypatch.setattr(Host, "get_fact", get_fact)


def within(site: Site, ask: Callable[[Site], Any]) -> Any:
    """Answer to a question that only a component may ask."""
    found = []

    @component(
        version="true",
        secrets=lambda target: [*metrics.secrets_of(target), *logs.secrets_of(target)],
        secrets_of_others=metrics.secrets_of,
    )
    def asking(site: Site) -> None:
        found.append(ask(site))

    declare({site.target.role: [asking]}, site)
    return found[0]


def old_certificate(site: Site) -> str:
    return certificate(site.secrets["METRICS_TLS_KEY"].reveal(), "metrics.chom.internal")


def test_names_of_targets_secrets_differ() -> None:
    assert of_target("LOGS_PASSWORD", "web-1") == "LOGS_PASSWORD_WEB_1"
    names = {of_target(kind, name) for kind in OF_TARGETS for name in ("web-1", "web", "web1")}
    assert len(names) == 3 * len(OF_TARGETS)
    with pytest.raises(ValueError, match="SMTP_PASSWORD"):
        of_target("SMTP_PASSWORD", "web")


def test_a_target_knows_no_secret_of_another(tmp_path: Path) -> None:
    targets = list(configuration(tmp_path).targets.values())
    names = {
        need.name
        for item in STACKS["vpsmanager"]
        for need in item.needed_secrets(targets[1], targets)
        if not need.retired
    }
    assert not [name for name in names if "OBSERVABILITY" in name]
    kinds = {name.removesuffix("_VPSMANAGER") for name in names if name.endswith("_VPSMANAGER")}
    assert kinds == set(OF_TARGETS)


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    ("shared", "run", "has_old", "keeps"),
    [
        (True, [OBSERVABILITY, VPSMANAGER], True, False),
        (True, [VPSMANAGER], True, True),
        (True, [VPSMANAGER], False, False),
        (False, [VPSMANAGER], True, False),
    ],
    ids=["both sides at once", "one side alone", "converted before", "secrets are gone"],
)
def test_a_target_keeps_the_shared_login_until_both_sides_can_change(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    shared: bool,
    run: list[str],
    has_old: bool,
    keeps: bool,
) -> None:
    site = site_of(tmp_path, shared, *run)
    old = old_certificate(site) if shared else "of an earlier key"
    answers(monkeypatch, old if has_old else "its own", "")
    login = within(site, lambda site: metrics.login_of(site, site.target))
    prefix = "" if keeps else "vpsmanager."
    assert login.server_name == f"{prefix}metrics.chom.internal"
    name = "METRICS_PASSWORD" if keeps else "METRICS_PASSWORD_VPSMANAGER"
    assert login.password == site.secrets[name]


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("keeps", [True, False])
def test_prometheus_alone_in_a_run_goes_by_the_certificate_that_a_target_presents(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keeps: bool
) -> None:
    site = site_of(tmp_path, True, OBSERVABILITY)
    other, itself = site.target, site.targets[0]
    site = replace(site, target=itself)
    shown = fingerprint(old_certificate(site)) if keeps else "ab" * 32
    answers(monkeypatch, "", shown)
    login = within(site, lambda site: metrics.login_of(site, other))
    assert (login.server_name == "metrics.chom.internal") is keeps


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize("run", [[VPSMANAGER], [OBSERVABILITY, VPSMANAGER]])
def test_a_shipper_keeps_the_shared_login_until_both_sides_can_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: list[str]
) -> None:
    site = site_of(tmp_path, True, *run)
    answers(monkeypatch, site.secrets["LOGS_PASSWORD"].reveal(), "")
    user, password = within(site, logs.login_of)
    if run == [VPSMANAGER]:
        assert (user, password.name) == ("shipper", "LOGS_PASSWORD")
    else:
        assert (user, password.name) == ("vpsmanager", "LOGS_PASSWORD_VPSMANAGER")
    assert isinstance(password, Secret)

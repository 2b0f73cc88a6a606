"""Public pages: each is asked by its name, from the server that watches it."""

from collections.abc import Sequence
from functools import partial

from configs import Page, Target
from facts.shell import sh
from tasks.blackbox_exporter.component import TRUSTED
from tasks.component import Site
from tasks.verification.applications import UPLOAD, complaint
from tasks.verification.check import Check, ask, settle
from tasks.verification.marker import RUN


def check(site: Site) -> Sequence[Check]:
    """Checks of every application's page, as visitors reach it and as Prometheus sees it."""
    checks = []
    for target in site.of_role("vpsmanager"):
        for page in target.pages:
            reached = _is_reached(site, target, page) if target.name in site.in_this_run else None
            # What nobody reaches, no probe will reach if one waits for it.
            may_wait = reached is None or reached.passed
            checks.append(_is_watched(site, target, page, may_wait))
            if reached:
                checks.append(reached)
    return checks


def _is_reached(site: Site, target: Target, page: Page) -> Check:
    url, trusted = f"{page.url}{page.health}", ""
    if target.settings.tls.mode == "selfsigned" and page.encrypted:
        trusted = f"--cacert {TRUSTED} "
    problem = settle(partial(complaint, _ask_health(url, trusted)), 5)
    if not problem and not target.apps[page.name].maintenance:
        problem = settle(partial(complaint, _ask_upload(f"{page.url}/storage/{UPLOAD}")), 15)
    return Check(
        f"{page.name}: visitors reach it on {target.name} as {page.url}",
        problem,
        f"does the name lead to {target.address}, and does the firewall before the server admit"
        " visitors? The server itself answered where its own checks passed",
    )


def _ask_health(url: str, trusted: str) -> str:
    """A shell command that fails unless a page answers 200 to those who reach it by its name."""
    return sh("curl -fsS --globoff -m 10 -o /dev/null " + trusted + "{url}", url=url)


def _ask_upload(url: str) -> str:
    """A shell command that fails unless the file is shown that only this target has."""
    return sh(
        '[ "$(curl -ksS --globoff -m 10 {url})" = {right} ]'
        " || { echo 'the name leads to another server'; false; }",
        url=url,
        right=RUN,
    )


def _is_watched(site: Site, target: Target, page: Page, may_wait: bool) -> Check:
    settings = site.settings.prometheus
    name = f"{page.name}: Prometheus sees it on {target.name}"
    if target.name not in site.in_this_run:
        name = f"{page.name}: Prometheus watches it on {target.name}"
    base = f"http://127.0.0.1:{settings.port}/api/v1"
    labels = f'job="blackbox",target="{target.name}",app="{page.name}"'
    must_answer = target.name in site.in_this_run

    def problem() -> str:
        found = ask(f"{base}/query", query=f"probe_success{{{labels}}}")["data"]["result"]
        if not found:
            return "it is not watched"
        answers = found[0]["value"][1] == "1"
        return "" if answers or not must_answer else "its probe fails"

    return Check(
        name,
        settle(problem, 2 * settings.scrape_interval_s + 10 if may_wait else 0),
        f"deploy {site.target.name} as well, which watches what the inventory has; a probe that"
        f" fails is shown by http://127.0.0.1:{settings.port}/targets",
    )

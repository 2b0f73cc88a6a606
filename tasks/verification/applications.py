"""Applications: each is asked on its own server for what its users would notice."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from urllib.parse import urlsplit

from pyinfra import host

from configs import App, Page
from facts.answers import LocalPage, LocalPages, LocalStatuses
from facts.conditions import ComplaintNow
from facts.shell import sh
from tasks.component import Site
from tasks.laravel import confinement
from tasks.laravel.places import root, storage
from tasks.sandbox import Sandbox
from tasks.verification.check import Check, settle
from tasks.verification.html import loaded_files
from tasks.verification.marker import RUN
from tasks.workers.units import schedule_run, scheduler, scheduler_units, worker_units

MAX_REDIRECTS = 4
# A minute, and what it takes to start.
TICK_LIMIT_S = 75
# How long a file that proves that uploads are shown may lie there.
UPLOAD_LIFETIME_S = 180
UPLOAD = f"chom-verify-{RUN}.txt"


def check(site: Site) -> Sequence[Check]:
    """Checks of every application of the target."""
    every = [(name, app, site.target.page(name)) for name, app in site.target.apps.items()]
    shown = [(name, app, page) for name, app, page in every if not app.maintenance]
    checks = [
        Check(
            f"{name}: a file on its public disk is shown",
            complaint(_upload(name, page, confinement.command(name, app, site.hardware))),
            f"see who may read {storage(name)}/app/public, and the site of {name} in Nginx",
        )
        for name, app, page in shown
    ]
    checks += _front_pages([page for _, _, page in shown])
    for name, app, _ in every:
        checks += _jobs(name, app)
    return checks


def complaint(shell: str) -> str:
    """Run a shell command now; return what it prints if it fails."""
    said = host.get_fact(ComplaintNow, shell=shell)
    return "" if said is None else "; ".join(said) or "it failed without a word"


def _upload(name: str, page: Page, sandbox: Sandbox) -> str:
    """A shell command that writes a file as the application, and asks Nginx for it.

    + sandbox: of the application's user; outside of it, code of the application could take over
      the process that writes
    """
    path = f"{storage(name)}/app/public/{UPLOAD}"
    return sh(
        "systemd-run -q --collect --wait --pipe {properties} --"
        ' sh -c \'umask 022; printf %s "$1" > "$2"\' sh {text} {path}'
        # Whatever becomes of this run, the file does not stay.
        " && systemd-run -q --collect --on-active={lifetime} {properties} -- rm -f {path}"
        " && said=$(curl -ksS --globoff -m 10 --connect-to ::127.0.0.1: -w {status} {url})"
        ' && { [ "$said" = {right} ] || { echo "Nginx answers ${said##* }"; false; }; }',
        status=" %{http_code}",
        properties=[word for line in sandbox.lines() for word in ("-p", line)],
        text=RUN,
        path=path,
        lifetime=str(UPLOAD_LIFETIME_S),
        url=f"{page.own_url}/storage/{UPLOAD}",
        right=f"{RUN} 200",
    )


def _front_pages(pages: Sequence[Page]) -> Iterator[Check]:
    """Each front page answers, and so does what it loads from its own host."""
    answers = _answers({page: f"{page.own_url}/" for page in pages})
    loaded = {
        page: loaded_files(answer["text"], answer["url"], _hosts(page))
        for page, answer in answers.items()
    }
    urls = list(dict.fromkeys(url for each in loaded.values() for url in each))
    asked = host.get_fact(LocalStatuses, urls=urls) if urls else []
    statuses = dict(zip(urls, asked, strict=False))
    for page in pages:
        status = answers[page]["status"] if page in answers else 0
        problems = [f"it answers {status or 'nothing'}"] if not 200 <= status < 500 else []
        problems += [
            f"{urlsplit(url).path} answers {statuses.get(url) or 'nothing'}"
            for url in loaded.get(page, [])
            if not 200 <= statuses.get(url, 0) < 400
        ]
        yield Check(
            f"{page.name}: its front page loads with its files",
            "; ".join(problems),
            f"open {page.url}/ and look into {root(page.name)}/shared/storage/logs; files that a"
            " build makes must be in the release",
        )


def _answers(urls: Mapping[Page, str]) -> dict[Page, LocalPage]:
    """What the front pages answer, after redirects within their own host."""
    answers: dict[Page, LocalPage] = {}
    for _ in range(MAX_REDIRECTS):
        if not urls:
            break
        asked = host.get_fact(LocalPages, urls=list(urls.values()))
        answers |= dict(zip(urls, asked, strict=False))
        urls = {
            page: answers[page]["redirect"]
            for page in urls
            if page in answers and urlsplit(answers[page]["redirect"]).hostname in _hosts(page)
        }
    return answers


def _hosts(page: Page) -> set[str]:
    """The names of a page's own host."""
    return {*page.host_names, urlsplit(page.own_url).hostname or page.address}


def _jobs(name: str, app: App) -> Iterator[Check]:
    """Its workers run, and its scheduler has run since the release that serves went live."""
    if workers := worker_units(name, app):
        yield Check(
            f"{name}: its workers run",
            settle(partial(complaint, _inactive(workers)), 10),
            f"journalctl -u '{name}-worker-*'",
        )
    if scheduler_units(name, app):
        yield Check(
            f"{name}: its scheduled tasks ran since the release",
            complaint(_no_tick(name)),
            f"journalctl -u '{schedule_run(name)}*' -u {scheduler(name)}",
        )


def _inactive(units: Sequence[str]) -> str:
    """A shell command that fails if a unit is not active, and says which."""
    return sh(
        'for u in {units}; do systemctl -q is-active "$u"'
        ' || { echo "$u is $(systemctl is-active "$u")"; bad=1; }; done; [ -z "$bad" ]',
        units=units,
    )


def _no_tick(name: str) -> str:
    """A shell command that waits for the scheduler to have run, and fails if it has not."""
    return sh(
        "n=0; since=$(stat -c %Y {current}) || exit 1; until"
        ' t=$(systemctl show -P LastTriggerUSec {timer}); t=$(date -d "$t" +%s 2>/dev/null);'
        ' [ "${t:-0}" -ge "$since" ]; do n=$((n + 1));'
        " [ $n -le {limit} ] || { echo 'it did not start within {limit} s'; exit 1; };"
        " sleep 1; done;"
        " ! systemctl -q is-failed {service} && ! systemctl -q is-failed {runs}"
        " || { echo 'its last run failed'; false; }",
        current=f"{root(name)}/current",
        timer=f"{scheduler(name)}.timer",
        service=f"{scheduler(name)}.service",
        runs=f"{schedule_run(name)}*.service",
        limit=str(TICK_LIMIT_S),
    )

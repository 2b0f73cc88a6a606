"""What verification asks of applications, and what it says of one that is not well."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyinfra.context import ctx_host, ctx_state

from facts.answers import END, LocalPages, LocalStatuses
from facts.conditions import ComplaintNow
from tasks.component import Site
from tasks.sandbox import Sandbox
from tasks.verification import applications, pages
from tasks.verification.html import MAX_FILES, loaded_files
from tasks.verification.marker import RUN
from tests.unit.helpers import configuration, fake_state, hardware

SHOP = """\
targets:
  observability: {role: observability, address: 10.9.0.11}
  vpsmanager:
    role: vpsmanager
    address: 10.9.0.21
    settings: {apps: {shop: {domain: shop.example.org, scheduler: true, workers: {count: 1}}}}
"""
BASE = "https://shop.example.org/en/"
HOSTS = {"shop.example.org"}


def test_files_that_a_page_loads_from_its_own_host() -> None:
    html = """
        <link rel=stylesheet href="/build/app-1.css"><link rel="icon" href="/favicon.ico">
        <link rel="modulepreload" href="/build/app-1.js">
        <script type=module src="/build/app-1.js#top"></script>
        <IMG SRC="logo.png"><img src="data:image/png;base64,AAAA"><img alt="none">
        <script src="//cdn.example.net/x.js"></script><a href="/other">no file</a>
        <script src="https://shop.example.org/x.js?v=2"></script>
    """
    assert loaded_files(html, BASE, HOSTS) == [
        "https://shop.example.org/build/app-1.css",
        "https://shop.example.org/build/app-1.js",
        "https://shop.example.org/en/logo.png",
        "https://shop.example.org/x.js?v=2",
    ]


@pytest.mark.parametrize(
    "src", ["", " ", "javascript:alert(1)", "file:///etc/passwd", "http://[", "/a b"]
)
def test_what_is_no_file_of_a_page_is_passed_over(src: str) -> None:
    assert loaded_files(f'<img src="{src}">', BASE, HOSTS) == []


def test_a_long_page_is_not_asked_for_everything() -> None:
    html = "".join(f'<img src="/{number}.png">' for number in range(1000))
    assert len(loaded_files(html, BASE, HOSTS)) == MAX_FILES


def test_a_page_cannot_end_its_own_answer() -> None:
    output = ["<html>", "-- end of an answer --", "200 http://other/ ", "", f"200 {BASE} ", END]
    [page] = LocalPages().process(output)
    assert page["status"] == 200 and page["url"] == BASE and "http://other/" in page["text"]


def test_a_redirect_and_no_answer() -> None:
    output = ["", "302 http://a/ http://a/login", END, "", "000 http://b/ ", END]
    first, second = LocalPages().process(output)
    assert first["redirect"] == "http://a/login" and (second["status"], second["redirect"]) == (
        0,
        "",
    )
    assert LocalStatuses().process(["200", "000", ""]) == [200, 0, 0]


class Machine:
    """A host's answers to what verification asks, by fact."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> None:
        self.pages: dict[str, dict[str, Any]] = {}
        self.statuses: dict[str, int] = {}
        self.complaints: dict[str, list[str]] = {}
        targets = list(configuration(folder, SHOP).targets.values())
        [target] = [each for each in targets if each.name == name]
        names = [each.name for each in targets]
        self.site = Site(target, hardware(), targets, names, [22], {})
        self.state = fake_state([name], {})
        self.host = self.state.inventory.get_host(f"@fake/{name}")
        monkeypatch.setattr(self.host, "get_fact", self.get_fact)
        monkeypatch.setattr("tasks.verification.check.PAUSE_S", 0)
        for module in (applications, pages):
            monkeypatch.setattr(module, "settle", lambda find, limit_s: find(), raising=False)

    def get_fact(self, fact: type, **asked: Any) -> Any:
        if fact is LocalPages:
            nothing = {"status": 0, "url": "", "redirect": "", "text": ""}
            return [{**nothing, "url": url, **self.pages.get(url, {})} for url in asked["urls"]]
        if fact is LocalStatuses:
            return [self.statuses.get(url, 404) for url in asked["urls"]]
        assert fact is ComplaintNow
        said = [words for part, words in self.complaints.items() if part in asked["shell"]]
        return said[0] if said else None

    def problems(self, module: Any) -> dict[str, str]:
        with ctx_state.use(self.state), ctx_host.use(self.host):
            return {each.name: each.problem for each in module.check(self.site)}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine(monkeypatch, tmp_path, "vpsmanager")
    front = made.site.target.page("shop").own_url
    made.pages[f"{front}/"] = {"status": 302, "redirect": f"{front}/en"}
    made.pages[f"{front}/en"] = {"status": 200, "text": '<script src="/app.js"></script>'}
    made.statuses[f"{front}/app.js"] = 200
    return made


def test_an_application_that_is_well(machine: Machine) -> None:
    found = machine.problems(applications)
    assert list(found) == [
        "shop: a file on its public disk is shown",
        "shop: its front page loads with its files",
        "shop: its workers run",
        "shop: its scheduled tasks ran since the release",
    ]
    assert set(found.values()) == {""}


def test_a_script_that_is_missing_is_named(machine: Machine) -> None:
    machine.statuses.clear()
    found = machine.problems(applications)
    assert found["shop: its front page loads with its files"] == "/app.js answers 404"


def test_a_front_page_that_fails_is_named(machine: Machine) -> None:
    machine.pages = {url: {"status": 500} for url in machine.pages}
    found = machine.problems(applications)
    assert found["shop: its front page loads with its files"] == "it answers 500"


def test_a_front_page_that_does_not_answer_is_named(machine: Machine) -> None:
    machine.pages.clear()
    found = machine.problems(applications)
    assert found["shop: its front page loads with its files"] == "it answers nothing"


def test_a_page_that_leads_elsewhere_is_left_there(machine: Machine) -> None:
    elsewhere = {"status": 302, "redirect": "https://login.example.net/"}
    machine.pages = {url: elsewhere for url in machine.pages}
    assert machine.problems(applications)["shop: its front page loads with its files"] == ""


@pytest.mark.parametrize(
    ("part", "check"),
    [
        ("/storage/chom-verify", "shop: a file on its public disk is shown"),
        ("shop-worker-1", "shop: its workers run"),
        ("shop-scheduler.timer", "shop: its scheduled tasks ran since the release"),
    ],
)
def test_what_a_command_says_is_the_problem(machine: Machine, part: str, check: str) -> None:
    machine.complaints[part] = ["it", "does not"]
    assert machine.problems(applications)[check] == "it; does not"
    machine.complaints[part] = []
    assert machine.problems(applications)[check] == "it failed without a word"


def shell(command: str, folder: Path, **programs: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with programs of our own in the place of the system's."""
    for name, script in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    return subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True)


def test_an_upload_that_nginx_may_not_read_is_told(tmp_path: Path, machine: Machine) -> None:
    page = machine.site.target.page("shop")
    command = applications._upload("shop", page, Sandbox(extra=("User=shop",)))
    assert command.count("-p User=shop") == 2 and "runuser" not in command
    others = {"systemd_run": "exit 0"}
    refused = shell(command, tmp_path, curl="echo 'forbidden 403'", **others)
    assert refused.returncode == 1 and refused.stdout == "Nginx answers 403\n"
    right = shell(command, tmp_path, curl=f"echo '{RUN} 200'", **others)
    assert (right.returncode, right.stdout) == (0, "")


def test_a_unit_that_does_not_run_is_told(tmp_path: Path) -> None:
    systemctl = "case $* in (*one) exit 0;; (-q*) exit 3;; esac; echo failed"
    done = shell(applications._inactive(["one", "two"]), tmp_path, systemctl=systemctl)
    assert done.returncode == 1 and done.stdout == "two is failed\n"
    assert shell(applications._inactive(["one"]), tmp_path, systemctl=systemctl).returncode == 0


@pytest.mark.parametrize(
    ("triggered", "failed", "said"),
    [
        ("2026-11-30 12:01:00 UTC", False, ""),
        ("2026-11-30 12:01:00 UTC", True, "its last run failed\n"),
        ("2026-11-30 11:59:00 UTC", False, "it did not start within 75 s\n"),
        ("", False, "it did not start within 75 s\n"),
    ],
)
def test_a_scheduler_that_did_not_run_is_told(
    tmp_path: Path, triggered: str, failed: bool, said: str
) -> None:
    systemctl = f"case $1 in (show) echo '{triggered}';; (*) exit {int(not failed)};; esac"
    current = "date -d '2026-11-30 12:00:00 UTC' +%s"
    done = shell(
        applications._no_tick("shop"), tmp_path, systemctl=systemctl, stat=current, sleep="exit 0"
    )
    assert (done.returncode, done.stdout) == (int(bool(said)), said)


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine(monkeypatch, tmp_path, "observability")
    monkeypatch.setattr(pages, "ask", lambda *_, **__: {"data": {"result": [{"value": [0, "1"]}]}})
    return made


REACHED = "shop: visitors reach it on vpsmanager as http://shop.example.org"
SEEN = "shop: Prometheus sees it on vpsmanager"


def test_a_page_that_visitors_reach(watching: Machine) -> None:
    assert watching.problems(pages) == {SEEN: "", REACHED: ""}


def test_a_name_that_does_not_resolve_is_told(watching: Machine) -> None:
    watching.complaints["http://shop.example.org/up"] = ["curl: (6) Could not resolve host"]
    assert watching.problems(pages)[REACHED] == "curl: (6) Could not resolve host"


def test_a_name_that_leads_to_another_server_is_told(watching: Machine, tmp_path: Path) -> None:
    command = pages._ask_upload("https://shop.example.org/storage/x")
    done = shell(command, tmp_path, curl="echo 'somebody else'")
    assert done.returncode == 1 and done.stdout == "the name leads to another server\n"


@pytest.mark.parametrize(
    ("result", "problem"),
    [([], "it is not watched"), ([{"value": [0, "0"]}], "its probe fails")],
)
def test_a_page_that_is_not_watched_is_told(
    watching: Machine, monkeypatch: pytest.MonkeyPatch, result: Any, problem: str
) -> None:
    monkeypatch.setattr(pages, "ask", lambda *_, **__: {"data": {"result": result}})
    assert watching.problems(pages)[SEEN] == problem


def test_a_target_that_takes_no_part_is_asked_for_nothing_but_its_probe(watching: Machine) -> None:
    watching.site = Site(
        watching.site.target, hardware(), watching.site.targets, ["observability"], [22], {}
    )
    assert watching.problems(pages) == {"shop: Prometheus watches it on vpsmanager": ""}

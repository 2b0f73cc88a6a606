"""A deploy ends by proving itself, and says which link is broken; mail really arrives."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.listening import listen
from tests.e2e.machines import answer, page
from tests.e2e.mailbox import Mailbox, distrust, serve, trust
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed

PASSWORD = "what the mail server 'knows' \"too\" $1 %s \\"
USER = "alerts@example.org"
OPERATOR = "operator@example.org"


@pytest.fixture(scope="module")
def mailbox(platform: Platform) -> Iterator[Mailbox]:
    """A mail server that the observability machine trusts."""
    platform.settle()
    gateway = str(platform.lab.network.gateway)
    with serve(gateway, USER, PASSWORD) as box:
        trust(platform.lab, box)
        platform.project.set_secrets({"SMTP_PASSWORD": PASSWORD})
        yield box
    platform.unsettle()
    platform.project.set_secrets({"SMTP_PASSWORD": None})
    distrust(platform.lab)


def proofs(mailbox: Mailbox) -> list[str]:
    """The subjects of the mails that prove deploys; real alerts may come between them."""
    subjects = [str(mail["subject"]) for mail in mailbox.mails]
    return [each for each in subjects if "Verification" in each]


def test_a_deploy_proves_that_its_alerts_arrive(platform: Platform, mailbox: Mailbox) -> None:
    record = platform.converge(mailbox.settings(OPERATOR))
    checks = {each.name: each.problem for each in record.targets["observability"].checks}
    assert checks[f"its mail is taken by {mailbox.address}"] == ""
    assert checks["every scrape target is up"] == ""
    assert checks["every rule is loaded and evaluates"] == ""
    assert checks["a line logged on vpsmanager is found in Loki"] == ""
    assert checks["laravel: Prometheus sees it on vpsmanager"] == ""
    assert set(checks.values()) == {""}
    own = {each.name: each.problem for each in record.targets["vpsmanager"].checks}
    assert own["laravel: a file on its public disk is shown"] == ""
    assert own["laravel: its front page loads with its files"] == ""
    assert set(own.values()) == {""}
    arrived = mailbox.await_mail("Verification", "observability")
    assert arrived["to"] == OPERATOR and arrived["from"] == USER
    assert mailbox.refused == []


def test_without_a_change_nothing_is_proven_again(platform: Platform, mailbox: Mailbox) -> None:
    count = len(proofs(mailbox))
    record = platform.converge(mailbox.settings(OPERATOR))
    assert changed(record) == {}
    assert record.targets["observability"].checks == []
    assert len(proofs(mailbox)) == count


def test_verify_alone_proves_it_and_changes_nothing(platform: Platform, mailbox: Mailbox) -> None:
    known = len(platform.project.records())
    outcome = platform.project.pyinfra(
        "inventory.py", "verify.py", changes=mailbox.settings(OPERATOR)
    )
    assert outcome.code == 0, outcome
    assert "every scrape target is up" in outcome.text and "all" in outcome.text
    assert len(platform.project.records()) == known


@pytest.mark.parametrize(
    ("machine", "unit", "words"),
    [
        ("vpsmanager", "prometheus-node-exporter", "node of vpsmanager: down"),
        pytest.param(
            *("observability", "prometheus-alertmanager", ":9093/metrics answers nothing"),
            marks=pytest.mark.drill,
        ),
    ],
)
def test_a_broken_link_is_named(
    platform: Platform, mailbox: Mailbox, machine: str, unit: str, words: str
) -> None:
    answer(platform.lab, machine, f"systemctl stop {unit}")
    wait_for("Prometheus to notice", lambda: _some_are_down(platform))
    outcome = platform.project.pyinfra(
        "inventory.py", "verify.py", changes=mailbox.settings(OPERATOR)
    )
    answer(platform.lab, machine, f"systemctl start {unit}")
    assert outcome.code == 1, outcome
    assert words in outcome.text
    assert "do: " in outcome.text


def test_uploads_that_nobody_sees_are_named(platform: Platform, mailbox: Mailbox) -> None:
    folder = "/var/www/laravel/shared/storage/app"
    mode = answer(platform.lab, "vpsmanager", f"stat -c %a {folder}")
    answer(platform.lab, "vpsmanager", f"chmod 700 {folder}")
    try:
        outcome = platform.project.pyinfra(
            "inventory.py", "verify.py", changes=mailbox.settings(OPERATOR)
        )
    finally:
        answer(platform.lab, "vpsmanager", f"chmod {mode} {folder}")
    assert outcome.code == 1 and "a file on its public disk is shown" in outcome.text
    assert "Nginx answers 404" in outcome.text


def test_a_name_that_leads_nowhere_is_named(platform: Platform, mailbox: Mailbox) -> None:
    app = {"settings.apps": {"laravel": {"domain": "nowhere.chom.test"}}}
    outcome = platform.deploy({**mailbox.settings(OPERATOR), **app})
    assert outcome.code == 1 and "Could not resolve host: nowhere.chom.test" in outcome.text
    platform.converge(mailbox.settings(OPERATOR))


def _some_are_down(platform: Platform) -> bool:
    url = f"http://{platform.address('observability')}:9090/api/v1/query?query=up==0"
    return '"job"' in page(url)[1]


@pytest.mark.drill
def test_a_wrong_password_is_found_by_the_deploy(platform: Platform, mailbox: Mailbox) -> None:
    platform.project.set_secrets({"SMTP_PASSWORD": "not the one"})
    outcome = platform.deploy(mailbox.settings(OPERATOR))
    assert outcome.code == 1, outcome
    record = platform.project.record()
    assert record.status == "failed"
    error = record.targets["observability"].error
    assert error is not None and error.stage == "verify"
    assert f"its mail is taken by {mailbox.address}" in error.message
    assert "SMTP_PASSWORD" in (error.remedy or "")
    assert b"not the one" in mailbox.refused

    platform.project.set_secrets({"SMTP_PASSWORD": PASSWORD})
    again = platform.converge(mailbox.settings(OPERATOR))
    assert again.status == "completed"


def test_a_service_outside_hears_that_alerts_get_out(platform: Platform, mailbox: Mailbox) -> None:
    with listen(str(platform.lab.network.gateway)) as watchdog:
        url = {"targets.observability.settings.alertmanager.watchdog_url": watchdog.url}
        quick = {"settings.alerting.time_factor": 0.05}
        platform.converge({**mailbox.settings(OPERATOR), **url, **quick})
        wait_for("the watchdog, twice", lambda: len(watchdog.posted) >= 2)
    for text in watchdog.posted:
        assert {each["labels"]["alertname"] for each in json.loads(text)["alerts"]} == {"Watchdog"}

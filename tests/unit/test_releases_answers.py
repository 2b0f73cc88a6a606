"""What is told of a health page that does not answer 200."""

from pathlib import Path

import pytest

from tasks.releases.host.answers import MAX_LINES, excerpt
from tests.unit.releasing import Machine

DOWN = """<!DOCTYPE html>
<html lang="en"><head><title>Service  Unavailable</title>
<style>html{line-height:1.15} .relative{position:relative}</style>
<script>var a = "<b>code</b>";</script></head>
<body class="antialiased"><div>503</div>
  <div>Service Unavailable</div><p>Back at &lt;noon&gt;</p></body></html>"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_of_a_page_its_title_and_text_are_told() -> None:
    assert excerpt("503", DOWN) == ["status 503: Service Unavailable", "503", "Back at <noon>"]


def test_a_text_is_told_as_it_is() -> None:
    assert excerpt("500", '{"message": "no < database"}\n') == [
        "status 500",
        '{"message": "no < database"}',
    ]


@pytest.mark.parametrize("body", ["", "<", "<!", "<title>x", "<style>x", "</style>y", "<p>" * 9999])
def test_whatever_comes_is_told_in_few_lines(body: str) -> None:
    told = excerpt("500", body)
    assert told[0].startswith("status 500") and len(told) <= 1 + MAX_LINES


def test_a_long_page_is_cut_off() -> None:
    assert len(excerpt("500", "line\n" * 1000)) == 1 + MAX_LINES


def is_down(machine: Machine) -> None:
    """As after `artisan down`."""
    (machine.app.storage / "framework/down").write_text("{}")
    machine.health = lambda release, candidate: "503"


def test_an_application_that_is_down_is_told_of_before_anything_is_built(machine: Machine) -> None:
    before = machine.deploy()
    is_down(machine)
    machine.change_database("two")
    machine.commands.clear()
    failure = machine.fail()
    assert failure.step == "health" and "the application is down by artisan" in failure.output[0]
    artisan = f"/usr/bin/php8.4 {machine.app.current}/artisan"
    assert f"runuser -u shop -- {artisan} up" in failure.output[0]
    assert machine.commands == ["test", "curl"] and machine.live == before


def test_one_whose_health_page_answers_all_the_same_is_released(machine: Machine) -> None:
    machine.deploy()
    is_down(machine)
    machine.health = lambda release, candidate: "200"
    machine.change("two")
    assert machine.deploy()


def test_one_that_goes_down_meanwhile_is_told_of(machine: Machine) -> None:
    machine.before = lambda name: is_down(machine) if name == "composer install" else None
    failure = machine.fail()
    assert failure.step == "health" and "down by artisan" in "\n".join(failure.output)


def test_another_503_is_no_application_that_is_down(machine: Machine) -> None:
    machine.health = lambda release, candidate: "503"
    output = "\n".join(machine.fail().output)
    assert "status 503" in output and "artisan" not in output

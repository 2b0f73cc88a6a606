"""The documents: every block is known, every command that needs no machine works, links lead."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import configs
from configs import settings_page
from configs.__main__ import main
from tests.copies import copy_project
from tests.documents import (
    RUNNERS,
    SHOWN,
    Block,
    Command,
    blocks,
    documents,
    outside,
    run,
    terminal,
    to_run,
)
from tests.lab.paths import PROJECT
from tests.unit.keys import PRIVATE_KEY
from tests.unit.test_migrate import OLD, STATE

BLOCKS = [block for document in documents() for block in blocks(document)]
NOT_RUN = [block for block in BLOCKS if block.reason]
MOST_NOT_RUN = 5
TARGETS = {
    "observability": {"role": "observability", "address": "10.9.0.11"},
    "vpsmanager": {"role": "vpsmanager", "address": "10.9.0.21"},
}
# What a document says → what is run here instead.
SUBSTITUTIONS = {
    r"^make ": "make -n ",  # that there is such a target; what it does, other tests run
}
# By the time of every other page, the first deploy has done this.
BEGIN = "python -m configs secrets init"
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"#+ (.*)")


def test_every_block_is_of_a_known_kind() -> None:
    for block in BLOCKS:
        if block.language == "console":
            assert block.words in RUNNERS, block.place
            assert block.commands, block.place
        else:
            assert block.language in SHOWN, f"{block.place}: what is {block.language or 'this'}?"
            assert not block.reason, f"{block.place} would not be run anyway"


def test_no_command_hides_in_an_indented_block() -> None:
    for document in documents():
        above = ""
        for number, line in outside(document):
            assert above.strip() or not line.startswith("    "), f"{document.name}:{number}"
            above = line


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda block: block.place)
def test_what_no_test_runs_says_why(block: Block) -> None:
    assert block.language == "console"
    pytest.skip(f"{block.place} ({len(block.commands)} commands): {block.reason}")


def test_little_is_not_run() -> None:
    assert len(NOT_RUN) <= MOST_NOT_RUN, [block.place for block in NOT_RUN]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with an inventory of its own, and what the documents name in it."""
    folder = tmp_path / "project"
    folder.mkdir()
    copy_project(folder, also=("Makefile", "requirements.lock"))
    (folder / "keys").mkdir()
    (folder / "keys" / "chom_deploy_key").touch(mode=0o600)
    (folder / "keys" / "chom_deploy_key").write_text(PRIVATE_KEY)
    (folder / "shop_deploy_key").write_text("a key\n")
    (folder / "OLD_INVENTORY.yaml").write_text(OLD)
    (folder / "OLD_STATE").write_text(json.dumps(STATE))
    (folder / "configs" / "inventory.yaml").write_text(yaml.safe_dump({"targets": TARGETS}))
    return folder


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """What an operator's terminal has."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "known_hosts").touch()
    return terminal(home)


@pytest.mark.parametrize("commands", [pytest.param(its, id=name) for name, its in to_run(words="")])
def test_commands_that_need_no_machine_work(
    commands: list[Command], project: Path, env: Mapping[str, str]
) -> None:
    if not any(command.text.startswith(BEGIN) for command in commands):
        run(Command(BEGIN, 0, ()), project, env, {})
    for command in commands:
        run(command, project, env, SUBSTITUTIONS, typed="what is asked for\n")


@pytest.mark.parametrize(
    "block", [each for each in BLOCKS if each.language == "yaml"], ids=lambda block: block.place
)
def test_settings_that_are_shown_are_valid(block: Block, tmp_path: Path) -> None:
    shown = yaml.safe_load(block.text)
    assert shown.keys() <= {"ssh", "targets", "settings"}, block.place
    key, known_hosts = tmp_path / "key", tmp_path / "known_hosts"
    key.touch(mode=0o600)
    key.write_text(PRIVATE_KEY)
    known_hosts.touch()
    document: dict[str, Any] = _merged(shown, {"targets": TARGETS})
    document["ssh"] = {**shown.get("ssh", {}), "key": str(key), "known_hosts": str(known_hosts)}
    for app in document.get("settings", {}).get("apps", {}).values():
        if "path" in app:
            app["path"] = str(PROJECT / "tests" / "apps" / "shop")
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text(yaml.safe_dump(document))
    configs.load(inventory, environ={}, allow_example=True)


def _merged(shown: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """What is shown, and what every inventory needs beside it."""
    merged = dict(shown)
    for key, value in whole.items():
        below = merged.get(key, {})
        merged[key] = {**value, **_merged(below, value)} if isinstance(value, dict) else value
    return merged


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for number, line in outside(document):
        for link in _LINK.findall(line):
            if link.startswith(("http://", "https://")):
                continue
            file, _, anchor = link.partition("#")
            target = (document.parent / file).resolve() if file else document
            place = f"{document.name}:{number} leads to {link}"
            assert target.exists() and target.is_relative_to(PROJECT), place
            assert not anchor or anchor in _anchors(target), place


def _anchors(document: Path) -> set[str]:
    """The headings of a document, as links name them."""
    headings = (_HEADING.fullmatch(line) for _, line in outside(document))
    texts = [heading[1].lower() for heading in headings if heading]
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in texts}


def test_no_text_would_be_taken_for_html() -> None:
    for document in documents():
        for number, line in outside(document):
            text = re.sub(r"`[^`]*`", "", line)
            assert not re.search(r"<\w", text), f"{document.name}:{number}"


def test_every_page_is_linked_from_the_first_one() -> None:
    first = (PROJECT / "README.md").read_text()
    for document in documents()[1:]:
        assert f"(docs/{document.name}" in first, document.name


def test_the_page_of_all_settings_is_in_step() -> None:
    assert settings_page.PUBLISHED.read_text() == settings_page.text(), (
        "run `python -m configs docs --write`"
    )


def test_the_command_prints_and_writes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["docs"]) == 0
    assert capsys.readouterr().out == settings_page.text()
    monkeypatch.setattr("configs.settings_page.PUBLISHED", tmp_path / "settings.md")
    assert main(["docs", "--write"]) == 0
    assert (tmp_path / "settings.md").read_text() == settings_page.text()

"""The schema itself: complete, documented, and published as it is."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from configs import Settings
from configs.__main__ import main
from configs.json_schema import PUBLISHED, json_schema, text
from configs.paths import PROJECT
from configs.pins import read_versions, resolve
from configs.schema import Inventory

CONFIGS = PROJECT / "configs"


def fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields(kind, f"{path}{name}.")
        else:
            yield path + name, field


def valid(document: Any) -> bool:
    return bool(Draft202012Validator(json_schema()).is_valid(document))


def inventory(**changes: Any) -> dict[str, Any]:
    target = {"role": "observability", "address": "10.0.0.1"}
    return {"targets": {"watch": target}, **changes}


def test_the_defaults_are_complete_and_valid() -> None:
    defaults = yaml.safe_load((CONFIGS / "defaults.yaml").read_text())
    Settings.model_validate(resolve(defaults, read_versions().data["pins"]))


@pytest.mark.parametrize(("path", "field"), list(fields(Inventory)))
def test_every_field_is_described(path: str, field: Any) -> None:
    assert field.description, path


def test_the_published_schema_is_in_step() -> None:
    assert PUBLISHED.read_text() == text(), "run `python -m configs schema --write`"


def test_the_published_schema_is_one() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_the_example_names_the_schema_and_passes_it() -> None:
    example = (CONFIGS / "inventory.yaml").read_text()
    first = example.splitlines()[0]
    assert first == f"# yaml-language-server: $schema={PUBLISHED.name}"
    Draft202012Validator(json_schema()).validate(yaml.safe_load(example))


def test_settings_may_be_partial_and_sections_empty() -> None:
    assert valid(inventory(settings={"php": {"children": 3}, "nginx": None}))
    assert valid(inventory(settings={"apps": {"shop": None, "blog": {"workers": None}}}))
    assert valid(inventory(ssh=None, settings={"preflight": {"vpsmanager": {"memory_mb": 1}}}))


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"targets": {}},
        {"targets": {"Watch": {"role": "observability", "address": "a"}}},
        {"targets": {"watch": {"role": "observability"}}},
        {"targets": {"watch": {"role": "observability", "address": "a", "name": "x"}}},
        inventory(ssh={"port": 70000}),
        inventory(setting={}),
        inventory(settings={"php": {"child": 3}}),
        inventory(settings={"php": {"version": "8.4"}}),
        inventory(settings={"php": {"default": 8.4}}),
        inventory(settings={"php": {"versions": []}}),
        inventory(settings={"apps": {"Shop": {}}}),
        inventory(settings={"apps": {"shop": {"revision": "abc"}}}),
        inventory(settings={"apps": {"shop": {"environment": {"lower": "x"}}}}),
        inventory(settings={"smtp": {"password": "x"}}),
        inventory(settings={"smtp": {"sender": "nobody"}}),
        inventory(settings={"alertmanager": {"email_to": ["a b@c.org"]}}),
        inventory(settings={"prometheus": {"sha256": {"riscv": "a" * 64}}}),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(broken: dict[str, Any]) -> None:
    assert not valid(broken)


def test_the_schema_shows_the_defaults_and_nothing_of_our_messages() -> None:
    sections = json_schema()["$defs"]
    assert sections["PrometheusSettings"]["properties"]["retention_days"]["default"] == 15
    preflight = sections["PreflightSettings"]["properties"]
    assert preflight["vpsmanager"]["default"]["memory_mb"] == 900
    assert '"remedy"' not in text()
    assert '"expected"' not in text()


def test_the_command_prints_and_writes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == text()
    monkeypatch.setattr("configs.json_schema.PUBLISHED", tmp_path / "schema.json")
    assert main(["schema", "--write"]) == 0
    assert (tmp_path / "schema.json").read_text() == text()

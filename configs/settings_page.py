"""Writes the page of all settings: what each means, what it accepts and its default."""

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from configs.apps import App
from configs.documents import read
from configs.explaining import describe, expectation, plain_type
from configs.loader import DEFAULTS
from configs.paths import PROJECT
from configs.schema import Entry, Settings, Specs, Ssh

PUBLISHED = PROJECT / "docs" / "settings.md"
_HEAD = """\
# Every setting

This page is made from the schema by `python -m configs docs --write`; do not edit it by hand.

A setting is looked for in four places; the first one that has it counts:

1. `--data prometheus.retention_days=30` on the command line, for one run;
2. `CHOM_SETTING__PROMETHEUS__RETENTION_DAYS=30` in the environment;
3. the inventory: `settings:` of one target, then `settings:` of all;
4. `configs/defaults.yaml`.

Settings of an application that the inventory has are `apps.shop.branch` in the first and
`CHOM_SETTING__APPS__SHOP__BRANCH` in the second place; they count on the targets that have it.

```yaml
settings:                      # of all targets
  prometheus: {retention_days: 30}
targets:
  vpsmanager:
    settings:                  # of this one alone
      php: {children: 20}
```

Units are in the names. Where the default is `null` and the meaning says nothing else, the value
follows the detected hardware. These two tell what is in force, and where it is written:

```console
$ python -m configs check
$ python -m configs show
```
"""


def text() -> str:
    """The published page's text."""
    defaults = read(DEFAULTS, remedy="").data
    parts = [
        _HEAD,
        "## How a target is reached: `ssh`\n\nFor all targets, or under one target.\n",
        *_table(Ssh, {"sudo": "true unless the user is root"}),
        "## A target: `targets.NAME`\n",
        *_table(Entry, {}),
        "### `targets.NAME.specs`\n",
        *_table(Specs, {}),
        *_sections(defaults),
    ]
    return "\n".join(parts)


def _sections(defaults: dict[str, Any]) -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        yield f"## `{name}`\n"
        kind = plain_type(field.annotation)
        if name == "apps":
            yield f"{field.description}\n\n### `apps.NAME`\n"
            yield from _table(App, {})
        else:
            yield f"{kind.__doc__}\n"
            yield from _table(kind, defaults[name])


def _table(section: type[BaseModel], defaults: dict[str, Any]) -> Iterator[str]:
    yield "| setting | default | accepts | meaning |\n| --- | --- | --- | --- |"
    yield from _rows(section, defaults, "")
    yield ""


def _rows(section: type[BaseModel], defaults: dict[str, Any], above: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        kind = plain_type(field.annotation)
        if kind in (Ssh, Specs, Settings):
            yield _row(name, "", "a section, see there", str(field.description))
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _rows(kind, defaults.get(name, {}), f"{above}{name}.")
        else:
            default = defaults[name] if name in defaults else _built_in(field)
            accepts = _accepts(field, kind)
            yield _row(f"{above}{name}", default, accepts, str(field.description))


def _built_in(field: FieldInfo) -> Any:
    return "" if field.is_required() else field.get_default(call_default_factory=True)


def _accepts(field: FieldInfo, kind: Any) -> str:
    told = expectation(field, kind)
    if kind is float:
        return "a number"
    # The items of a list tell it where the list does not.
    return expectation(field, get_args(kind)[0]) if told == "text" and get_args(kind) else told


def _row(name: str, default: Any, accepts: str, meaning: str) -> str:
    if isinstance(default, dict) and default:
        shown = describe(default)
    elif default == "":
        shown = ""
    else:
        shown = f"`{default if isinstance(default, str) else json.dumps(default)}`"
    cells = [f"`{name}`", shown, accepts, meaning.replace("<", "&lt;")]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

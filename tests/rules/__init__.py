"""The alerting rules as they are tested: rendered for two targets, with stories of what fires."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tasks.prometheus.alerting import SUBJECTS, rule_file
from tests.unit.helpers import configuration

FOLDER = Path(__file__).parent
INVENTORY = """\
targets:
  observability: {{role: observability, address: 10.9.0.11}}
  vpsmanager: {{role: vpsmanager, address: 10.9.0.21}}
settings: {settings}
"""


def rule_files(folder: Path, settings: str = "{}") -> dict[str, str]:
    """File name → text of every rule file, with the defaults but for ``settings`` (YAML).

    ``folder``: where the inventory may be written.
    """
    targets = configuration(folder, INVENTORY.format(settings=settings)).targets
    return {
        f"{subject}.yml": rule_file(subject, targets["observability"], list(targets.values()))
        for subject in SUBJECTS
    }


def stories() -> dict[str, str]:
    """File name → text of every file for ``promtool test rules``; rules are looked for beside."""
    return {path.name: path.read_text() for path in sorted(FOLDER.glob("*.test.yml"))}


def rules(text: str) -> Iterator[dict[str, Any]]:
    """The rules of a rule file, in order."""
    for group in yaml.safe_load(text)["groups"]:
        yield from group["rules"]


_NO_NAMES = re.compile(r'"[^"]*"|\[[^]]*\]|\b(by|on)\s*\([^)]*\)')
_NAME = re.compile(r"\b[a-z_][a-zA-Z0-9_:]*\b(?!\s*\()")
_WORDS = {"and", "or", "unless", "by", "on"}


def metric_names(expression: str) -> set[str]:
    """The metrics that an expression of ours asks for."""
    bare = re.sub(r"\{[^}]*\}", "", _NO_NAMES.sub("", expression))
    return set(_NAME.findall(bare)) - _WORDS

"""Relabelling as Prometheus defined it, and Promtail and Alloy took it over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Labels = dict[str, str]


def relabel(labels: Mapping[str, str], rules: Iterable[Mapping[str, Any]]) -> Labels | None:
    """The labels after all rules, or None where one of them drops it."""
    result: Labels | None = dict(labels)
    for rule in rules:
        if result is None:
            return None
        result = _apply(result, rule)
    return result


def public(labels: Mapping[str, str]) -> Labels:
    """The labels that leave the machine: not those with two underscores, nor empty ones."""
    return {name: value for name, value in labels.items() if value and not name.startswith("__")}


def _apply(labels: Labels, rule: Mapping[str, Any]) -> Labels | None:
    regex = re.compile(str(rule.get("regex", "(.*)")), re.DOTALL)
    replacement = _python_template(str(rule.get("replacement", "$1")))
    source = str(rule.get("separator", ";")).join(
        labels.get(name, "") for name in rule.get("source_labels") or []
    )
    match str(rule.get("action", "replace")).lower():
        case "replace":
            if found := regex.fullmatch(source):
                return {**labels, str(rule["target_label"]): found.expand(replacement)}
        case "keep":
            return labels if regex.fullmatch(source) else None
        case "drop":
            return None if regex.fullmatch(source) else labels
        case "labelmap":
            mapped = {
                found.expand(replacement): value
                for name, value in labels.items()
                if (found := regex.fullmatch(name))
            }
            return {**labels, **mapped}
        case "labeldrop":
            return {name: value for name, value in labels.items() if not regex.fullmatch(name)}
        case "labelkeep":
            return {name: value for name, value in labels.items() if regex.fullmatch(name)}
        case "lowercase":
            return {**labels, str(rule["target_label"]): source.lower()}
        case "uppercase":
            return {**labels, str(rule["target_label"]): source.upper()}
    return labels


def _python_template(go: str) -> str:
    escaped = go.replace("\\", "\\\\")
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: rf"\g<{found[1] or found[2]}>", escaped)

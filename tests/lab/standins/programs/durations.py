"""Durations as Go and as Prometheus write them; the two do not take the same units."""

from __future__ import annotations

import re

_GO = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PROMETHEUS = {"y": 31536000, "w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
_GO_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([a-zµ]*)")
_PROMETHEUS_FORM = re.compile(
    r"(?:(\d+)(y))?(?:(\d+)(w))?(?:(\d+)(d))?(?:(\d+)(h))?(?:(\d+)(m))?(?:(\d+)(s))?(?:(\d+)(ms))?"
)


def go_seconds(text: str) -> float:
    """Seconds of `1h30m` or `250ms`; raises `ValueError` in Go's words, also for days."""
    if text.lstrip("+-") == "0":
        return 0.0
    seconds, rest = 0.0, text.lstrip("+-")
    if not rest:
        raise ValueError(f'time: invalid duration "{text}"')
    while rest:
        part = _GO_PART.match(rest)
        if not part:
            raise ValueError(f'time: invalid duration "{text}"')
        if not part[2]:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if part[2] not in _GO:
            raise ValueError(f'time: unknown unit "{part[2]}" in duration "{text}"')
        seconds += float(part[1]) * _GO[part[2]]
        rest = rest[part.end() :]
    return -seconds if text.startswith("-") else seconds


def prometheus_seconds(text: str) -> float:
    """Seconds of `7d` or `1w2d`; raises `ValueError` in Prometheus' words."""
    if text == "0":
        return 0.0
    form = _PROMETHEUS_FORM.fullmatch(text)
    if not text:
        raise ValueError("empty duration string")
    if not form:
        raise ValueError(f'not a valid duration string: "{text}"')
    parts = [part for part in form.groups() if part]
    return sum(
        float(number) * _PROMETHEUS[unit]
        for number, unit in zip(parts[::2], parts[1::2], strict=True)
    )


def seconds(text: str) -> float:
    """Whichever of the two it is; for values that were checked before."""
    try:
        return go_seconds(text)
    except ValueError:
        return prometheus_seconds(text)


def prometheus_text(value_s: float) -> str:
    """A duration as Prometheus' library prints it: weeks and years only if nothing is left over."""
    left, parts = round(value_s * 1000), []
    if not left:
        return "0s"
    for unit, size_s in _PROMETHEUS.items():
        size = round(size_s * 1000)
        if unit in ("y", "w") and left % size:
            continue
        if number := left // size:
            parts.append(f"{number}{unit}")
            left -= number * size
    return "".join(parts)

"""Times, sizes and numbers as a person says them."""

from datetime import UTC, datetime

_UNITS = ((86400 * 365, "year"), (86400, "day"), (3600, "h"), (60, "min"))


def ago(time: str, now: datetime | None = None) -> str:
    """How long ago a record's time was: ``3 min ago``, ``2 days ago``."""
    passed = int(((now or datetime.now(UTC)) - datetime.fromisoformat(time)).total_seconds())
    if passed < -60:
        return "in the future"
    for seconds, unit in _UNITS:
        if passed >= seconds:
            number = passed // seconds
            plural = "s" if number > 1 and unit in ("year", "day") else ""
            return f"{number} {unit}{plural} ago"
    return "just now"


def time_of(deployment_id: str) -> str | None:
    """The time that an id begins with, as a record has it; None where it is no id."""
    try:
        moment = datetime.strptime(deployment_id[:15], "%Y%m%d-%H%M%S")
    except ValueError:
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def duration(seconds: float | None) -> str:
    """``75 s``, ``12 min``, ``1.5 h``; nothing where it is not known."""
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def between(start: str | None, end: str | None) -> float | None:
    """The seconds between two times of a record, if both are known."""
    if not start or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def size(number: int) -> str:
    """``512 bytes``, ``48 kB``, ``1.2 MB``."""
    if number < 1000:
        return f"{number} bytes"
    return f"{number / 1000:.0f} kB" if number < 1_000_000 else f"{number / 1_000_000:.1f} MB"


def count(number: int, noun: str) -> str:
    """``1 change``, ``2 changes``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

"""The state of the last deployment with version 4, as plain data."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from configs.problems import ConfigurationError, Problem, shown

Status = Literal["initialized", "pending", "in_progress", "completed", "failed", "interrupted"]
HOSTS = ("observability", "vpsmanager")
_REMEDY = "name the file .deploy-state/deployment.state of version 4, or leave it out"
_LAST_SECOND = 253402300799  # of the year 9999; a file may claim to be from after that


@dataclass(frozen=True)
class OldTarget:
    """What became of one host; times in UTC, empty where none was written that can be read."""

    status: Status
    updated_at: str = ""
    completed_at: str = ""


@dataclass(frozen=True)
class OldDeployment:
    """The one deployment that version 4 remembers; times as those of a target.

    modified_at: when its file was last written. sha256: hexadecimal, of the file's bytes.
    """

    status: Status
    started_at: str
    updated_at: str
    modified_at: str
    sha256: str
    targets: dict[str, OldTarget]


def read_old_state(path: Path) -> OldDeployment:
    """Read and check the file. Raises ConfigurationError."""
    try:
        content, modified = path.read_bytes(), path.stat().st_mtime
    except OSError as error:
        raise _refusal(path, "", (error.strerror or "").lower(), "a file to read") from None
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise _refusal(path, "", "no JSON", "the state in JSON") from None
    if not isinstance(data, dict):
        raise _refusal(path, "", "no JSON object", 'an object with "status"')
    return OldDeployment(
        status=_status(path, data, "status"),
        started_at=_time(data, "started_at"),
        updated_at=_time(data, "updated_at"),
        modified_at=_utc(datetime.fromtimestamp(min(max(modified, 0), _LAST_SECOND), UTC)),
        sha256=hashlib.sha256(content).hexdigest(),
        targets={
            host: OldTarget(
                _status(path, data[host], f"{host}.status"),
                _time(data[host], "updated_at"),
                _time(data[host], "completed_at"),
            )
            for host in HOSTS
            if isinstance(data.get(host), dict)
        },
    )


def _status(path: Path, data: dict[str, Any], key: str) -> Status:
    status = data.get("status")
    known: tuple[Status, ...] = get_args(Status)
    for each in known:
        if status == each:
            return each
    found = "nothing" if status is None else "an unknown status"
    raise _refusal(path, key, found, f"one of: {', '.join(known)}")


def _time(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    try:
        moment = datetime.fromisoformat(value.strip().upper() if isinstance(value, str) else "")
        # Version 4 wrote UTC, so that is what a time without an offset means.
        return _utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return ""


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()}Z"


def _refusal(path: Path, key: str, found: str, expected: str) -> ConfigurationError:
    return ConfigurationError([Problem(shown(path), key, found, expected, _REMEDY)])

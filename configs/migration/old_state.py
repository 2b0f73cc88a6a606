"""The state of the last deployment with version 4, as plain data."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from configs.problems import ConfigurationError, Problem, shown

Status = Literal["pending", "in_progress", "completed", "failed", "interrupted"]
HOSTS = ("observability", "vpsmanager")
_REMEDY = "name the file .deploy-state/deployment.state of version 4, or leave it out"


@dataclass(frozen=True)
class OldTarget:
    """What became of one host; times as they were written, empty where none was."""

    status: Status
    updated_at: str = ""
    completed_at: str = ""


@dataclass(frozen=True)
class OldDeployment:
    """The one deployment that version 4 remembers."""

    status: Status
    started_at: str
    targets: dict[str, OldTarget]


def read_old_state(path: Path) -> OldDeployment:
    """Read and check the file. Raises ConfigurationError."""
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise _refusal(path, "", (error.strerror or "").lower(), "a file to read") from None
    except ValueError:
        raise _refusal(path, "", "no JSON", "the state in JSON") from None
    if not isinstance(data, dict):
        raise _refusal(path, "", "no JSON object", 'an object with "status"')
    return OldDeployment(
        status=_status(path, data, "status"),
        started_at=_text(data, "started_at"),
        targets={
            host: OldTarget(
                _status(path, data[host], f"{host}.status"),
                _text(data[host], "updated_at"),
                _text(data[host], "completed_at"),
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


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _refusal(path: Path, key: str, found: str, expected: str) -> ConfigurationError:
    return ConfigurationError([Problem(shown(path), key, found, expected, _REMEDY)])

"""What comes with a release of an application, as the program on its host foretells it."""

import json
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facts.text import in_lines

MAX_NAMES = 20
Names = Annotated[list[str], Field(max_length=MAX_NAMES)]


class ReleaseChange(BaseModel):
    """What comes with a release of an application. Since 1.1.

    ``old``, ``new``: the commits, or hashes of the files; ``old`` is empty before the first
    release. ``coming``, ``leaving``: how many commits come with it and go; null where there is no
    repository, or one of the two is not in it any more. ``subjects``: of the newest that come, at
    most 20. ``migrations``: those that wait, the first 20 of ``waiting``.
    """

    model_config = ConfigDict(extra="forbid")

    old: str
    new: str
    coming: int | None = None
    leaving: int | None = None
    subjects: Names = Field(default_factory=list)
    migrations: Names = Field(default_factory=list)
    waiting: int = 0


def release_change(output: Sequence[str]) -> ReleaseChange | None:
    """Read what the program printed: one line of JSON; None for anything else.

    No text in it has a line break or a control character: a host is not trusted.
    """
    try:
        [line] = output
        return ReleaseChange.model_validate(in_lines(json.loads(line)))
    except (ValueError, RecursionError, ValidationError):
        return None

"""Where the project is, and what paths in its settings mean."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def resolved(text: str) -> Path:
    """A path that does not depend on the current folder; a relative one starts at the project's."""
    return PROJECT / os.path.expanduser(text)  # unlike Path, it leaves an unknown user's ~ alone

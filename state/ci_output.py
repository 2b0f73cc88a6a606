"""What CI systems make of a log: phases that fold, annotations, and a summary in Markdown.

GitHub: workflow commands, and the file that GITHUB_STEP_SUMMARY names. GitLab: sections of a job's
log, whose format has control characters; annotations it has none, so these are plain lines.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

System = Literal["github", "gitlab"]
Level = Literal["error", "warning"]


def system_of(environ: Mapping[str, str]) -> System | None:
    """The CI system that this process runs in, where it is one of these."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return "github"
    if environ.get("GITLAB_CI") == "true":
        return "gitlab"
    return None


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


class CiOutput:
    """Writes to standard error in a CI system's own syntax; nothing where there is none."""

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        write: Callable[[str], None] = _write,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.system = system_of(environ)
        self._summary = environ.get("GITHUB_STEP_SUMMARY", "") if self.system == "github" else ""
        self._write = write
        self._clock = clock
        self._open = ""

    def phase(self, name: str) -> None:
        """Begin a phase, unless it has begun; the one before ends."""
        if name == self._open:
            return
        self.end_phase()
        if self.system == "github":
            self._write(f"::group::{_data(name.capitalize())}\n")
        elif self.system == "gitlab":
            collapsed = "" if name == "summary" else "[collapsed=true]"
            start = f"section_start:{int(self._clock())}:{name}{collapsed}"
            self._write(f"\x1b[0K{start}\r\x1b[0K{name.capitalize()}\n")
        self._open = name

    def end_phase(self) -> None:
        """End the phase that is open, if there is one."""
        if self._open and self.system == "github":
            self._write("::endgroup::\n")
        elif self._open and self.system == "gitlab":
            self._write(f"\x1b[0Ksection_end:{int(self._clock())}:{self._open}\r\x1b[0K\n")
        self._open = ""

    def annotate(self, level: Level, title: str, text: str) -> None:
        """Have an error or a warning shown beside the job, not in its log alone."""
        if self.system == "github":
            self._write(f"::{level} title={_property(title)}::{_data(text)}\n")
        elif self.system == "gitlab":
            self._write(f"{level.upper()}: {title}: {' '.join(text.split())}\n")

    def summarize(self, markdown: str) -> None:
        """Append to the job's summary. Raises OSError."""
        if self._summary:
            with Path(self._summary).open("a", encoding="utf-8") as file:
                file.write(markdown)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

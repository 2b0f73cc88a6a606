"""How far a long command has come, as it tells itself while it runs.

Such a line on its standard output begins with ``MARK``; then comes what apt writes to
``APT::Status-Fd`` ("pmstatus:nginx:23.5:Unpacking nginx"), ``bytes 12345`` of a download, or a
line of the command's own words.
"""

import re

MARK = "chom-progress "
_APT = re.compile(r"(?P<kind>pm|dl)status:[^:]*:(?P<percent>[\d.]+):(?P<words>.*)")
_BYTES = re.compile(r"bytes (\d+)")


def told(line: str) -> str | None:
    """What such a line says, in words; None for any other line, "" where it says nothing yet."""
    if not line.startswith(MARK):
        return None
    said = line.removeprefix(MARK).strip()
    if found := _APT.fullmatch(said):
        return f"{float(found['percent']):.0f} %, {found['words'].strip()}"
    return said


def bytes_told(said: str) -> int | None:
    """How many bytes have come, where that is what was told."""
    found = _BYTES.fullmatch(said)
    return int(found[1]) if found else None

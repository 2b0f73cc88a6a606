"""Whether the process that writes a record is still there."""

import os
from pathlib import Path


def runs(pid: int) -> bool:
    """Whether this is another pyinfra that runs now, and not a process that got its number."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
        return b"pyinfra" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except ProcessLookupError:
        return False
    except OSError:
        # It is somebody else's, or this computer has no /proc: the careful answer.
        return True

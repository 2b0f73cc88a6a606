"""A power cut at any step of what is written: what was not synced is lost, what runs is gone."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

DIED = 99
# All that changes a disk, and is called by its name in os.
CALLS = ("open", "write", "fsync", "replace", "rename", "symlink", "unlink", "mkdir", "close")


def dies_at(call: int, folder: Path, action: Callable[[], object]) -> bool:
    """Run ``action`` in a process that dies at its so manieth call; whether it came to that.

    At a write, half of it is written first. What was written and not synced is cut in half then,
    wherever it has been renamed to in ``folder``.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _Disk(call, folder).watch()
            action()
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, DIED), f"the child ended with {status}"
    return status == DIED


class _Disk:
    """Counts calls, and knows what is not synced yet."""

    def __init__(self, call: int, folder: Path) -> None:
        self.left = call
        self.folder = folder
        self.unsynced: set[int] = set()
        self.real = {name: getattr(os, name) for name in CALLS}

    def watch(self) -> None:
        for name in CALLS:
            setattr(os, name, self._watched(name))

    def _watched(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self._die(name, arguments)
            result = self.real[name](*arguments, **options)
            if name == "write":
                self.unsynced.add(os.fstat(arguments[0]).st_ino)
            if name == "fsync":
                self.unsynced.discard(os.fstat(arguments[0]).st_ino)
            return result

        return call

    def _die(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "write":
            descriptor, data = arguments
            self.unsynced.add(os.fstat(descriptor).st_ino)
            self.real["write"](descriptor, data[: len(data) // 2])
        for path in self.folder.rglob("*"):
            state = path.lstat()
            if state.st_ino in self.unsynced and path.is_file() and not path.is_symlink():
                os.truncate(path, state.st_size // 2)
        os._exit(DIED)

"""What is said to those who come second."""

from state.holder import Holder


class Held(Exception):
    """Somebody else holds a lock. ``where``: a target, or nothing for this checkout.

    ``silent_s``: for how long nothing was heard of the holder, where that is known.
    """

    def __init__(self, where: str, holder: Holder | None, silent_s: int | None = None) -> None:
        super().__init__(where)
        self.where = where
        self.holder = holder
        self.silent_s = silent_s

    def __str__(self) -> str:
        who = str(self.holder) if self.holder else "somebody who has not said yet who it is"
        heard = f"; last heard of {self.silent_s} s ago" if self.silent_s is not None else ""
        return f"{self.where or 'this checkout'} is held by {who}{heard}"

    @property
    def remedy(self) -> str:
        wait = "wait for that with --data lock_wait=300 (seconds)"
        if self.where:
            return f"{wait}, or end it and take its place: python -m state unlock {self.where}"
        pid = f" {self.holder.pid}" if self.holder and self.holder.pid else ""
        return f"{wait}, or end process{pid} of this computer"

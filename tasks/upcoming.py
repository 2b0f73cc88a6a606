"""What is yet to become of a path: a plan asks, as what depends on it may have to restart."""

from collections.abc import Callable
from dataclasses import dataclass

from pyinfra.api.operation import OperationMeta


@dataclass(frozen=True)
class Upcoming:
    """``label``: what keeps the path, in words. ``operation``: that, which may keep others, too.

    ``concerns``: whether it will change this path, once it is known to change anything.
    """

    label: str
    operation: OperationMeta
    concerns: Callable[[], bool] = lambda: True

    @property
    def will_change(self) -> bool:
        """Asked before the operation is executed."""
        return bool(self.operation.will_change) and self.concerns()

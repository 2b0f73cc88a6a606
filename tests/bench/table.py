"""What was measured, in lines: each figure against another of the same hour."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Two figures in ``unit``, and the goal for their ratio, if there is one."""

    what: str
    one: float
    other: float
    unit: str = "s"
    goal: float | None = None

    @property
    def ratio(self) -> float:
        return self.one / self.other

    @property
    def verdict(self) -> str:
        """The goal, and whether it was reached; empty without one."""
        if self.goal is None:
            return ""
        return f"≤ {self.goal:.2f}, {'reached' if self.ratio <= self.goal else 'MISSED'}"


def text(rows: Iterable[Row]) -> Iterator[str]:
    """For a terminal."""
    yield f"{'':<68} {'this':>8} {'against':>8}     {'ratio':>6}  goal"
    for row in rows:
        yield (
            f"{row.what:<68} {row.one:8.2f} {row.other:8.2f} {row.unit:<3} {row.ratio:6.2f}"
            f"  {row.verdict}"
        )


def markdown(rows: Iterable[Row]) -> Iterator[str]:
    """For a document."""
    yield "| what | this | against | ratio | goal |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        one, other = f"{row.one:.2f} {row.unit}".rstrip(), f"{row.other:.2f} {row.unit}".rstrip()
        yield f"| {row.what} | {one} | {other} | {row.ratio:.2f} | {row.verdict} |"

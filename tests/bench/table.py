"""What was measured, in lines: each figure against another of the same hour."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Two figures in ``unit``, and the goal for their ratio, if there is one.

    ``limit``: what keeps it from being better, told where the goal is missed.
    """

    what: str
    one: float
    other: float
    unit: str = "s"
    goal: float | None = None
    limit: str = ""

    @property
    def ratio(self) -> float:
        return self.one / self.other

    @property
    def verdict(self) -> str:
        """The goal, and whether it was reached; empty without one."""
        if self.goal is None:
            return ""
        return f"≤ {self.goal:.2f}, {'MISSED' if self.is_missed else 'reached'}"

    @property
    def is_missed(self) -> bool:
        return self.goal is not None and self.ratio > self.goal


def text(rows: Sequence[Row]) -> Iterator[str]:
    """For a terminal."""
    yield f"{'':<68} {'this':>8} {'against':>8}     {'ratio':>6}  goal"
    for row in rows:
        yield (
            f"{row.what:<68} {row.one:8.2f} {row.other:8.2f} {row.unit:<3} {row.ratio:6.2f}"
            f"  {row.verdict}"
        )
    for row in _limited(rows):
        yield f"  {row.what}: {row.limit}"


def markdown(rows: Sequence[Row]) -> Iterator[str]:
    """For a document."""
    yield "| what | this | against | ratio | goal |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        one, other = f"{row.one:.2f} {row.unit}".rstrip(), f"{row.other:.2f} {row.unit}".rstrip()
        yield f"| {row.what} | {one} | {other} | {row.ratio:.2f} | {row.verdict} |"
    if limited := _limited(rows):
        yield from ("", "What limits those that are missed:", "")
        yield from (f"- {row.what}: {row.limit}" for row in limited)


def _limited(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.is_missed and row.limit]

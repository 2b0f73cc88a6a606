"""A table that fits the terminal: what matters least is cut first, and then left out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from state.commands.terminal import clean, coloured, width

_GAP = "  "


@dataclass(frozen=True)
class Column:
    """One column.

    least: how far it may be cut, in characters; None: never.
    rank: those of a low one are shown first, as there is room; those of 0 always.
    """

    title: str
    cells: Sequence[str]
    rank: int = 0
    least: int | None = None
    right: bool = False

    @property
    def width(self) -> int:
        """What it takes to show all of it."""
        return max(len(self.title), *map(len, self.cells)) if self.cells else len(self.title)


def lines(
    columns: Sequence[Column], colours: Sequence[str | None], room: int | None = None
) -> list[str]:
    """The table's lines, its head first. colours: of each row. room: in characters."""
    cleaned = [replace(each, cells=[clean(cell) for cell in each.cells]) for each in columns]
    chosen = [each for each in cleaned if any(each.cells)]
    widths = _fit(chosen, width() if room is None else room)
    chosen = [each for each in chosen if each.title in widths]
    rows = [[each.title for each in chosen], *zip(*(each.cells for each in chosen), strict=True)]
    text = [
        _GAP.join(
            _cell(cell, widths[column.title], right=column.right)
            for column, cell in zip(chosen, row, strict=True)
        ).rstrip()
        for row in rows
    ]
    return [coloured(row, colour) for row, colour in zip(text, [None, *colours], strict=True)]


def _fit(columns: Sequence[Column], room: int) -> dict[str, int]:
    """The widths of those that fit if each is cut as far as it may be; then they share the rest."""
    widths: dict[str, int] = {}
    left = room + len(_GAP)
    by_rank = sorted(columns, key=lambda each: each.rank)
    for column in by_rank:
        least = min(column.width if column.least is None else column.least, column.width)
        if column.rank == 0 or least + len(_GAP) <= left:
            widths[column.title] = least
            left -= least + len(_GAP)
    for column in by_rank:
        if column.title in widths and left > 0:
            more = min(column.width - widths[column.title], left)
            widths[column.title] += more
            left -= more
    return widths


def _cell(text: str, room: int, *, right: bool) -> str:
    if len(text) > room:
        text = text[: room - 1] + "…"
    return text.rjust(room) if right else text.ljust(room)

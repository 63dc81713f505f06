"""Tables that fit into the width of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from resin_toolkit.terminal.live_text import display_width, truncate

_MIN_WIDTH = 6
"""Terminal columns to which a cell is narrowed at most."""
_GAP = "  "


def fit_table(
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    whole: frozenset[int] = frozenset(),
    right: frozenset[int] = frozenset(),
    mark: str = "…",
) -> str:
    """Format rows as aligned columns, at most `width` terminal columns wide; shortened cells end in `mark`.

    The columns in `whole` are not shortened; those in `right` are aligned to the right.
    """
    widths = [max(display_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    _narrow(widths, width, whole)
    return "\n".join(
        truncate(
            _GAP.join(
                _cell(cell, widths[column], mark, right=column in right) for column, cell in enumerate(row)
            ).rstrip(),
            width,
        )
        for row in rows
    )


def _narrow(widths: list[int], width: int, whole: frozenset[int]) -> None:
    """Narrow the widest column by one, until the table fits or no column can be narrowed."""
    allowed = [column for column in range(len(widths)) if column not in whole]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        widest = max(allowed, key=lambda column: widths[column], default=None)
        if widest is None or widths[widest] <= _MIN_WIDTH:
            return
        widths[widest] -= 1


def _cell(text: str, width: int, mark: str, *, right: bool) -> str:
    if display_width(text) > width:
        text = truncate(text, width - display_width(mark)) + mark
    space = " " * (width - display_width(text))
    return space + text if right else text + space

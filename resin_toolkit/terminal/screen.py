"""What stdout can display, and text formatted for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

INVISIBLE = "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""Unicode's Bidi_Control and its line separators, as the members of a regular expression's class."""


def escape(char: str) -> str:
    """A character that is not shown, as it is written in Python: `\\u202e`."""
    return f"\\u{ord(char):04x}"


_CONTROLS = {
    **{code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A)},
    **{
        code: escape(chr(code))
        for code in (0x61C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    },
}


def clean(text: str) -> str:
    """Replace control characters, so that no text from outside moves the cursor or reorders what is shown."""
    return text.translate(_CONTROLS)


@dataclass(frozen=True)
class Screen:
    """What stdout can display."""

    width: int
    is_terminal: bool
    colour: bool
    unicode: bool = True
    """Whether characters outside ASCII can be printed."""


def screen() -> Screen:
    """Inspect stdout."""
    import shutil

    is_terminal = sys.stdout.isatty()
    colour = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return Screen(shutil.get_terminal_size((80, 24)).columns, is_terminal, colour, unicode)


def discard(stream: IO[str]) -> None:
    """Discard all further output to stdout or stderr, buffered output included."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> str:
    """Format rows as columns with two spaces between them; those in `right` are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def format_size(count: int) -> str:
    """Format a number of bytes with three digits in binary units: `40.0 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{count} B" if unit == "B" else f"{value:.{max(0, 3 - len(str(int(value))))}f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")

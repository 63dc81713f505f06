"""What a terminal can show, and text that is put so that it fits there."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

_CONTROLS = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (0x09, 0x0A)}


def clean(text: str) -> str:
    """`text` with control characters replaced, so that no name from outside moves the cursor."""
    return text.translate(_CONTROLS)


@dataclass(frozen=True)
class Screen:
    """What stdout can show."""

    width: int
    is_terminal: bool
    colour: bool
    unicode: bool = True
    """Whether it takes characters outside ASCII."""


def screen() -> Screen:
    """What stdout can show right now."""
    import shutil

    is_terminal = sys.stdout.isatty()
    colour = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return Screen(shutil.get_terminal_size((80, 24)).columns, is_terminal, colour, unicode)


def discard(stream: IO[str]) -> None:
    """Let what is still to be written to stdout or stderr vanish."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> str:
    """Aligned columns, two spaces between them; the columns in `right` are aligned to the right."""
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
    """A number of bytes in binary units, three digits: 40.0 MiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{count} B" if unit == "B" else f"{value:.{max(0, 3 - len(str(int(value))))}f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")

"""Lines on a terminal that are redrawn in place, and the width of text in terminal columns."""

from __future__ import annotations

import shutil
import unicodedata
from typing import IO

from resin_toolkit.terminal.screen import clean

_UP = "\x1b[{}A"
_CLEAR_BELOW = "\x1b[J"


class LiveText:
    """Lines that `show` replaces; the cursor stays below them. Control sequences: ECMA-48, CUU and ED."""

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal
        self._shown: list[str] = []

    def show(self, text: str, *, whole: bool = False) -> None:
        """Replace what was shown by `text`, cut to the size of the terminal.

        With `whole`, for the last time, nothing is cut.
        """
        size = shutil.get_terminal_size()
        lines = clean(text).splitlines()
        if not whole:
            lines = [truncate(line, size.columns - 1) for line in lines]
        if not whole and len(lines) >= size.lines:
            lines = [*lines[: size.lines - 2], f"and {len(lines) - size.lines + 2} more"]
        if lines == self._shown:
            return
        back = f"\r{_UP.format(len(self._shown))}{_CLEAR_BELOW}" if self._shown else ""
        self._terminal.write(back + "".join(f"{line}\n" for line in lines))
        self._terminal.flush()
        self._shown = lines


def truncate(line: str, columns: int) -> str:
    """The start of `line` that fits into this many columns. A character takes two of them, one or none."""
    used = 0
    for index, character in enumerate(line):
        used += _columns_of(character)
        if used > columns:
            return line[:index]
    return line


def display_width(text: str) -> int:
    """The number of terminal columns that `text` takes."""
    return sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1

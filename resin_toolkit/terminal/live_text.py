"""Lines on a terminal that are written anew in their place."""

from __future__ import annotations

import shutil
import unicodedata
from typing import IO

from resin_toolkit.terminal.screen import clean

_UP = "\x1b[{}A"
_CLEAR_BELOW = "\x1b[J"


class LiveText:
    """The lines that `show` was last given stand on the terminal, and the cursor below them.

    Control sequences: ECMA-48, CUU and ED.
    """

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal
        self._shown: list[str] = []

    def show(self, text: str, *, whole: bool = False) -> None:
        """Put `text` in the place of what was shown before; of what is higher than the terminal, its head.

        `whole` is for the last time: nothing is left out, whether it fits or not.
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
    """As much of `line` as fits into so many columns; some characters take two of them, or none."""
    used = 0
    for place, character in enumerate(line):
        used += _column(character)
        if used > columns:
            return line[:place]
    return line


def display_width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return sum(map(_column, text))


def _column(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1

"""What a far program has turned on at this terminal, so that it can be turned off where the program cannot.

Source: xterm's control sequences, "DEC Private Mode Set (DECSET)".
"""

from __future__ import annotations

import re

_MODE = re.compile(rb"\x1b\[\?(\d+(?:;\d+)*)([hl])")
_MOUSE = (9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016)
_ALTERNATE = (47, 1047, 1049)
_PASTE, _KEYS, _CURSOR = 2004, 1, 25
_OFF = frozenset((*_MOUSE, *_ALTERNATE, _PASTE, _KEYS))
"""Modes that a shell expects to be off; the cursor it expects to be on."""
_LONGEST = 64
"""Bytes of a sequence that may come in two parts."""


class TerminalModes:
    """Reads along with what goes to the terminal."""

    def __init__(self) -> None:
        self._changed: dict[int, bytes] = {}
        self._rest = b""

    def note(self, data: bytes | memoryview) -> None:
        text = self._rest + bytes(data)
        for match in _MODE.finditer(text):
            for mode in map(int, match[1].split(b";")):
                if mode in _OFF or mode == _CURSOR:
                    self._changed[mode] = match[2]
        start = text.rfind(b"\x1b", -_LONGEST)
        self._rest = b"" if start < 0 or _MODE.match(text, start) else text[start:]

    def undo(self) -> bytes:
        """What brings the terminal back to what a shell expects; empty where nothing has to be."""
        return b"".join(
            b"\x1b[?%d%c" % (mode, b"h" if mode == _CURSOR else b"l")
            for mode, state in self._changed.items()
            if (state == b"l") is (mode == _CURSOR)
        )

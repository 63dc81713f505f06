"""The terminal modes that a remote program sets, and the sequence that resets those it leaves behind.

Source: xterm's control sequences, "DEC Private Mode Set (DECSET)".
"""

from __future__ import annotations

import re

_MODE = re.compile(rb"\x1b\[\?(\d+(?:;\d+)*)([hl])")
_MOUSE = (9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016)
_ALTERNATE = (47, 1047, 1049)
_PASTE, _KEYS, _CURSOR = 2004, 1, 25
_OFF = frozenset((*_MOUSE, *_ALTERNATE, _PASTE, _KEYS))
"""Modes that a shell expects to be off; it expects the cursor to be on."""
_MAX_SEQUENCE = 64
"""Bytes of the longest sequence that is recognised when it arrives in two parts."""


class TerminalModes:
    """Tracks the modes set by the output that goes to a terminal."""

    def __init__(self) -> None:
        self._changed: dict[int, bytes] = {}
        self._rest = b""

    def observe(self, data: bytes | memoryview) -> None:
        text = self._rest + bytes(data)
        for match in _MODE.finditer(text):
            for mode in map(int, match[1].split(b";")):
                if mode in _OFF or mode == _CURSOR:
                    self._changed[mode] = match[2]
        start = text.rfind(b"\x1b", -_MAX_SEQUENCE)
        self._rest = b"" if start < 0 or _MODE.match(text, start) else text[start:]

    def reset_sequence(self) -> bytes:
        """The control sequence that restores what a shell expects; empty if nothing has changed."""
        return b"".join(
            b"\x1b[?%d%c" % (mode, b"h" if mode == _CURSOR else b"l")
            for mode, state in self._changed.items()
            if (state == b"l") is (mode == _CURSOR)
        )

"""Removing control sequences from log text, so that it can be printed on a terminal; colours are kept.
Source: ECMA-48 (control sequences, section 5.4; SGR, section 8.3.117), xterm's control strings.
"""

from __future__ import annotations

import re

from resin_toolkit.terminal.screen import INVISIBLE, escape

_PLAIN = bytes(range(0x20, 0x7F)) + b"\t\n"
_UNCLEAN = re.compile(
    "(?P<colour>\x1b\\[[0-9;:]*m)"
    # Control sequences; strings of which the end may be missing; other escapes; a lone ESC.
    "|\x1b(?:\\[[0-?]*[ -/]*[@-~]?|[\\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)?|[ -/]*[0-~])?"
    "|\x9b[0-?]*[ -/]*[@-~]?"
    "|[\x90\x98\x9d-\x9f][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)?"
    "|\r+(?=\n|\\Z)"
    "|(?P<return>\r+)"
    "|(?P<control>[\x00-\x08\x0b-\x1f\x7f-\x9f])"
    f"|(?P<invisible>[{INVISIBLE}])"
)
_COLOUR = re.compile("\x1b\\[[0-9;:]*m")
_UNENDED_COLOUR = re.compile("\x1b\\[(?!0*m)[0-9;:]*m[^\x1b\n]*(?=\n|\\Z)")
"""From a line's last sequence, which sets a colour, to the end of the line."""


def strip_control_sequences(text: bytes) -> bytes:
    """Remove all control sequences but colours from one or more lines of UTF-8.

    Invalid UTF-8, and control characters other than tab and newline, are replaced by U+FFFD; controls of the
    direction of text, and Unicode's line separators, by their escapes. A colour ends with its line.
    """
    if not text.translate(None, _PLAIN):
        return text
    found = _UNCLEAN.sub(_replacement, text.decode("utf-8", errors="replace"))
    return _UNENDED_COLOUR.sub(lambda match: f"{match[0]}\x1b[0m", found).encode()


def strip_colours(text: str) -> str:
    """Remove colours, as for searching."""
    return _COLOUR.sub("", text)


def _replacement(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind == "colour":
        return match[0]
    if kind == "return":
        return " "
    if kind == "invisible":
        return escape(match[0])
    return "\ufffd" if kind == "control" else ""

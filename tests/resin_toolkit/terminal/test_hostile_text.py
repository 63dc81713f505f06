"""Text from a device, a project or an image that would show something else than it says."""

from __future__ import annotations

import unicodedata

import pytest

from resin_toolkit.terminal.ansi import strip_control_sequences
from resin_toolkit.terminal.screen import clean

REORDERING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
HOSTILE = [chr(code) for code in range(0x3000) if unicodedata.bidirectional(chr(code)) in REORDERING]
MARKS = ["\u061c", "\u200e", "\u200f"]


@pytest.mark.parametrize(
    "char", [*HOSTILE, *MARKS, "\u2028", "\u2029"], ids=lambda char: f"U+{ord(char):04X}"
)
def test_a_character_that_reorders_or_splits_lines_is_shown_as_its_escape(char: str) -> None:
    shown = f"a\\u{ord(char):04x}b"
    assert clean(f"a{char}b") == shown
    assert strip_control_sequences(f"a{char}b".encode()).decode() == shown


def test_text_from_right_to_left_is_left_alone() -> None:
    text = "\u05e9\u05dc\u05d5\u05dd, \u0645\u0631\u062d\u0628\u0627"
    assert clean(text) == text
    assert strip_control_sequences(text.encode()).decode() == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\x1b[31mred\x1b[0m"),
        ("\x1b[31mred\x1b[0m plain", "\x1b[31mred\x1b[0m plain"),
        ("\x1b[31mred\x1b[m\n", "\x1b[31mred\x1b[m\n"),
        ("\x1b[8mhidden\nvisible", "\x1b[8mhidden\x1b[0m\nvisible"),
        ("\x1b[0;7m", "\x1b[0;7m\x1b[0m"),
    ],
    ids=["open", "closed", "short", "two-lines", "combined"],
)
def test_a_colour_ends_with_its_line(text: str, shown: str) -> None:
    assert strip_control_sequences(text.encode()).decode() == shown

"""Formatting for man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterable


def escaped(text: str) -> str:
    """Escape text for roff; a `-` stays a plain hyphen that can be copied."""
    plain = text.replace("\\", r"\e").replace("-", r"\-").replace("~", r"\(ti").replace("^", r"\(ha")
    return re.sub(r"^([.'])", r"\\&\1", plain.replace("`", r"\(ga"), flags=re.MULTILINE)


def prose(text: str) -> str:
    """A paragraph; text between backticks is bold."""
    parts = " ".join(text.split()).split("`")
    return "".join(bold(part) if at % 2 else escaped(part) for at, part in enumerate(parts))


def bold(text: str) -> str:
    """Bold: typed literally."""
    return rf"\fB{escaped(text)}\fP"


def italic(text: str) -> str:
    """Italic: a placeholder."""
    return rf"\fI{escaped(text)}\fP"


def term(tag: str, text: str) -> list[str]:
    """The lines of one list entry."""
    return [".TP", tag, prose(text)]


def literal(lines: Iterable[str]) -> list[str]:
    """Preformatted, indented lines."""
    return [".PP", ".RS 4", ".EX", *map(escaped, lines), ".EE", ".RE"]

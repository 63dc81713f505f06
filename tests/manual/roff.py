"""Text as man(7) wants it."""

from __future__ import annotations

import re
from collections.abc import Iterable


def escaped(text: str) -> str:
    """`text` as it is to be read, whatever its characters mean to roff; a `-` is one that can be copied."""
    plain = text.replace("\\", r"\e").replace("-", r"\-").replace("~", r"\(ti").replace("^", r"\(ha")
    return re.sub(r"^([.'])", r"\\&\1", plain.replace("`", r"\(ga"), flags=re.MULTILINE)


def prose(text: str) -> str:
    """A paragraph; what stands between backticks is bold."""
    parts = " ".join(text.split()).split("`")
    return "".join(bold(part) if at % 2 else escaped(part) for at, part in enumerate(parts))


def bold(text: str) -> str:
    """As it is typed."""
    return rf"\fB{escaped(text)}\fP"


def italic(text: str) -> str:
    """What something is put in place of."""
    return rf"\fI{escaped(text)}\fP"


def term(tag: str, text: str) -> list[str]:
    """Lines for one entry of a list."""
    return [".TP", tag, prose(text)]


def literal(lines: Iterable[str]) -> list[str]:
    """Lines that are shown as they are, indented."""
    return [".PP", ".RS 4", ".EX", *map(escaped, lines), ".EE", ".RE"]

"""Split a Dockerfile into logical lines: continuations, comments, here-documents and parser directives."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from resin_toolkit.project.substitution import split_words

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*\Z")
_DIRECTIVES = frozenset({"escape", "syntax"})
_HEREDOC = re.compile(r"\d*<<(-?)([^<]+)")
_WITH_HEREDOC = re.compile(r"(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s", re.IGNORECASE)


class BadLine(ValueError):
    """An invalid line; the second argument is its number."""


@dataclass(frozen=True)
class ParserDirectives:
    """The parser directives in the first comments."""

    escape: str = "\\"
    syntax: str = ""


@dataclass(frozen=True)
class LogicalLine:
    """The text of an instruction in one line; `heredocs` are the delimiters of its here-documents."""

    text: str
    line: int
    end_line: int
    heredocs: tuple[str, ...] = ()


def parse_directives(text: str) -> ParserDirectives:
    """Parse the known directives, which must be the first lines without gaps. Raises BadLine."""
    found: dict[str, str] = {}
    for number, line in enumerate(_physical(text), 1):
        match = _DIRECTIVE.match(line.strip())
        if not match or match[1].lower() not in _DIRECTIVES:
            break
        name, value = match[1].lower(), match[2]
        if name in found:
            raise BadLine(f"the directive {name} is given twice", number)
        if name == "escape" and value not in ("\\", "`"):
            raise BadLine(f"the directive escape must be \\ or `, not {value}", number)
        found[name] = value
    return ParserDirectives(**found)


def logical_lines(text: str, escape: str = "\\") -> Iterator[LogicalLine]:
    """Yield each instruction with its lines joined; comments and blank lines are removed, also inside."""
    lines = _physical(text)
    ends = _LineNumbers(lines)
    # An escape character that is itself escaped does not continue the line.
    mark = re.escape(escape)
    continuation = re.compile(rf"(?<!{mark}){mark}[ \t]*\Z")
    at = 0
    while at < len(lines):
        start, joined, continues = at, "", False
        while at < len(lines):
            line = lines[at]
            at += 1
            if _is_blank_or_comment(line):
                if not continues:
                    break
                continue
            joined += continuation.sub("", line)
            continues = bool(continuation.search(line))
            if not continues:
                break
        if joined.strip() or continues:
            words, at = _heredocs(joined, ends, at, escape)
            yield LogicalLine(joined.strip(), start + 1, at if words else _last(lines, start, at), words)


def _physical(text: str) -> list[str]:
    lines = text.removeprefix("\ufeff").split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _is_blank_or_comment(line: str) -> bool:
    inner = line.strip()
    return not inner or inner.startswith("#")


def _last(lines: list[str], start: int, end: int) -> int:
    """The number of the last line of an instruction at the end of the text, without blank lines."""
    while end > start + 1 and _is_blank_or_comment(lines[end - 1]):
        end -= 1
    return end


class _LineNumbers:
    """Where a text is a whole line: each here-document looks for its end."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def next(self, text: str, start: int, *, without_tabs: bool) -> int | None:
        """The index of the first such line from `start` on, without its leading tabs if wanted."""
        found = (self._stripped if without_tabs else self._whole).get(text, [])
        position = bisect_left(found, start)
        return found[position] if position < len(found) else None

    @cached_property
    def _whole(self) -> dict[str, list[int]]:
        return self._numbers(self._lines)

    @cached_property
    def _stripped(self) -> dict[str, list[int]]:
        return self._numbers([line.lstrip("\t") for line in self._lines])

    @staticmethod
    def _numbers(lines: list[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, line in enumerate(lines):
            found.setdefault(line, []).append(number)
        return found


def _heredocs(text: str, lines: _LineNumbers, at: int, escape: str) -> tuple[tuple[str, ...], int]:
    """The delimiters of an instruction's here-documents, and the line after them.

    Without a closing delimiter there is no here-document: then `<<` belongs to the shell.
    """
    found: list[str] = []
    if not _WITH_HEREDOC.match(text.lstrip()):
        return (), at
    end = at
    for word in split_words(text, escape):
        match = _HEREDOC.fullmatch(word)
        if not match:
            continue
        name = match[2].strip("\"'")
        last = lines.next(name, end, without_tabs=bool(match[1]))
        if last is None:
            return (), at
        found.append(name)
        end = last + 1
    return tuple(found), end

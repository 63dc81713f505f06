"""The lines of a Dockerfile that belong together: what continues, comments, here-documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from resin_toolkit.project.substitution import split_words

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*\Z")
_DIRECTIVES = frozenset({"escape", "syntax"})
_HEREDOC = re.compile(r"\d*<<(-?)([^<]+)")
_WITH_HEREDOC = re.compile(r"(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s", re.IGNORECASE)


class BadLine(ValueError):
    """A line that means nothing; the second argument is its number."""


@dataclass(frozen=True)
class ParserDirectives:
    """What the first comments say to the builder."""

    escape: str = "\\"
    syntax: str = ""


@dataclass(frozen=True)
class LogicalLine:
    """One instruction's text, in one line; `heredocs` are the words that end its here-documents."""

    text: str
    line: int
    end_line: int
    heredocs: tuple[str, ...] = ()


def parse_directives(text: str) -> ParserDirectives:
    """The directives: known ones, from the first line on, without anything in between. Raises BadLine."""
    found: dict[str, str] = {}
    for number, line in enumerate(_physical(text), 1):
        match = _DIRECTIVE.match(line.strip())
        if not match or match[1].lower() not in _DIRECTIVES:
            break
        name, value = match[1].lower(), match[2]
        if name in found:
            raise BadLine(f"there is a second directive {name}", number)
        if name == "escape" and value not in ("\\", "`"):
            raise BadLine(f"the directive escape is \\ or `, not {value}", number)
        found[name] = value
    return ParserDirectives(**found)


def logical_lines(text: str, escape: str = "\\") -> Iterator[LogicalLine]:
    """Each instruction with its lines put together; comments and blank lines are left out, inside too."""
    lines = _physical(text)
    # One that is escaped itself does not make the line go on.
    mark = re.escape(escape)
    goes_on = re.compile(rf"(?<!{mark}){mark}[ \t]*\Z")
    at = 0
    while at < len(lines):
        start, made, continues = at, "", False
        while at < len(lines):
            line = lines[at]
            at += 1
            if _says_nothing(line):
                if not continues:
                    break
                continue
            made += goes_on.sub("", line)
            continues = bool(goes_on.search(line))
            if not continues:
                break
        if made.strip() or continues:
            words, at = _heredocs(made, lines, at, escape)
            yield LogicalLine(made.strip(), start + 1, at if words else _last(lines, start, at), words)


def _physical(text: str) -> list[str]:
    lines = text.removeprefix("\ufeff").split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _says_nothing(line: str) -> bool:
    inner = line.strip()
    return not inner or inner.startswith("#")


def _last(lines: list[str], start: int, end: int) -> int:
    """The number of the last line that says something: the text may end within an instruction."""
    while end > start + 1 and _says_nothing(lines[end - 1]):
        end -= 1
    return end


def _heredocs(text: str, lines: list[str], at: int, escape: str) -> tuple[tuple[str, ...], int]:
    """The words that end the instruction's here-documents, and where these end.

    One whose end is not there is none: then `<<` is the shell's own.
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
        ends = (
            number
            for number in range(end, len(lines))
            if (lines[number].lstrip("\t") if match[1] else lines[number]) == name
        )
        last = next(ends, None)
        if last is None:
            return (), at
        found.append(name)
        end = last + 1
    return tuple(found), end

"""The patterns of COPY and ADD. Source: https://pkg.go.dev/path/filepath#Match."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from resin_toolkit.project.linear_matcher import Characters, LinearMatcher, Token


def is_pattern(source: str) -> bool:
    """Whether a source of COPY is a pattern; a backslash escapes the next character."""
    return re.search(r"(?:\A|[^\\])(?:\\.)*[*?\[]", source, re.DOTALL) is not None


def matches(pattern: str, path: str) -> bool:
    """Whether the whole path matches. An invalid pattern matches nothing, as in a build."""
    match = _compile(pattern)
    return match is not None and bool(match(path))


@lru_cache(maxsize=256)
def _compile(pattern: str) -> Callable[[str], object] | None:
    tokens: list[Token] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char in "*?":
            tokens.append(Characters("/".__ne__, repeats=char == "*"))
        elif char == "[":
            found = _CLASS.match(pattern, at)
            if not found:
                return None
            tokens.append(Characters(re.compile(f"[{found[1]}{_members(found[2])}]", re.DOTALL).match))
            at = found.end()
        elif char == "\\":
            if at == len(pattern):
                return None
            tokens.append(Characters(pattern[at].__eq__))
            at += 1
        else:
            tokens.append(Characters(char.__eq__))
    return LinearMatcher(tokens)


_ONE = r"(?:\\.|[^\\\]-])"
_RANGE = re.compile(rf"({_ONE})(?:-({_ONE}))?", re.DOTALL)
_CLASS = re.compile(rf"(\^?)((?:{_ONE}(?:-{_ONE})?)+)\]", re.DOTALL)


def _members(text: str) -> str:
    """The members of a class in Python's syntax. A reversed range has no members."""
    made = []
    for low, high in _RANGE.findall(text):
        first, last = low[-1], (high or low)[-1]
        if first <= last:
            made.append(f"{re.escape(first)}-{re.escape(last)}")
    return "".join(made) or r"^\s\S"

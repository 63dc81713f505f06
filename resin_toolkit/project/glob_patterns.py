"""The patterns of COPY and ADD. Source: https://pkg.go.dev/path/filepath#Match."""

from __future__ import annotations

import re
from functools import lru_cache


def is_pattern(source: str) -> bool:
    """Whether a source of COPY is a pattern; a backslash takes the character behind it as it is."""
    return re.search(r"(?:\A|[^\\])(?:\\.)*[*?\[]", source, re.DOTALL) is not None


def matches(pattern: str, path: str) -> bool:
    """Whether the whole path matches; a pattern that is wrong matches nothing, as in a build."""
    made = _compiled(pattern)
    return made is not None and made.fullmatch(path) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    made, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            made.append("[^/]*")
        elif char == "?":
            made.append("[^/]")
        elif char == "[":
            found = _CLASS.match(pattern, at)
            if not found:
                return None
            made.append(f"[{found[1]}{_members(found[2])}]")
            at = found.end()
        elif char == "\\":
            if at == len(pattern):
                return None
            made.append(re.escape(pattern[at]))
            at += 1
        else:
            made.append(re.escape(char))
    return re.compile("".join(made), re.DOTALL)


_ONE = r"(?:\\.|[^\\\]-])"
_RANGE = re.compile(rf"({_ONE})(?:-({_ONE}))?", re.DOTALL)
_CLASS = re.compile(rf"(\^?)((?:{_ONE}(?:-{_ONE})?)+)\]", re.DOTALL)


def _members(text: str) -> str:
    """The members of a class for Python; a range that runs backwards has none."""
    made = []
    for low, high in _RANGE.findall(text):
        first, last = low[-1], (high or low)[-1]
        if first <= last:
            made.append(f"{re.escape(first)}-{re.escape(last)}")
    return "".join(made) or r"^\s\S"

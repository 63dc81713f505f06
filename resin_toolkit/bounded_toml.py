"""Parsing TOML (toml.io) that anybody may have written, in bounded time.

The time of tomllib grows with the square of the depth of a key: 200 kB of `[a.a.a…]` take a minute.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MOST_BYTES = 1 << 20
_MOST_DOTS = 2000
"""In one line, which bounds the depth of its key. A list of 500 IP addresses has 1,500."""
_MOST_LEVELS = 100
"""Tables and lists in each other."""


def parse_toml(text: str) -> dict[str, Any]:
    """Parse a document. Raises ValueError if it is invalid or too large; the message may quote it."""
    import tomllib

    if len(text) > MOST_BYTES:
        raise ValueError("larger than 1 MiB")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MOST_DOTS:
            raise ValueError(f"too many dots (at line {number}, column 1)")
    try:
        found = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    level: list[Any] = [found]
    for _ in range(_MOST_LEVELS):
        level = [inner for outer in level for inner in _members(outer)]
    if level:
        raise ValueError("nested too deeply")
    return found


def _members(value: Any) -> Iterable[Any]:
    """The tables and lists in a value."""
    inner = value.values() if isinstance(value, dict) else value
    return (member for member in inner if isinstance(member, dict | list))

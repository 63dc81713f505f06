"""Convert values of a compose file, whose types the schema has checked, to Python values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import TypeVar

from resin_toolkit.compose.merge import list_to_map
from resin_toolkit.compose.nodes import List, Map, Node, Scalar
from resin_toolkit.compose.problems import InvalidValue, ValuePath

T = TypeVar("T")
_TRUE = {"1", "t", "true", "y", "yes", "on"}
_FALSE = {"0", "f", "false", "n", "no", "off"}
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(h|ms|m|s|us|µs|ns)")
_BYTES = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_LONGEST = 32
"""Characters of a number that can be meant."""
_WHOLE = re.compile(r"[0-9]+")


def text(node: Node | None) -> str:
    """Return a scalar as a string; empty for anything else."""
    return node.text if isinstance(node, Scalar) else ""


def strings(node: Node | None) -> tuple[str, ...]:
    """Return a list of strings, or a single one as a list."""
    if isinstance(node, List):
        return tuple(text(item) for item in node.items)
    return (text(node),) if isinstance(node, Scalar) and node.value is not None else ()


def scalar_map(node: Node | None) -> dict[str, Scalar]:
    """Return a mapping, or a list of NAME=VALUE, as a dict."""
    found = list_to_map(node) if isinstance(node, List) else node
    if not isinstance(found, Map):
        return {}
    return {key: value for key, value in found.entries.items() if isinstance(value, Scalar)}


def string_map(node: Node | None) -> dict[str, str]:
    """Like `scalar_map`, with strings as values."""
    return {key: value.text for key, value in scalar_map(node).items()}


def parse_scalar(node: Node | None, path: ValuePath, reader: Callable[[str], T], default: T) -> T:
    """Parse a value with `reader`; an invalid one is reported, and it or a missing one is `default`."""
    if not isinstance(node, Scalar) or node.value is None:
        return default
    try:
        return reader(node.text)
    except InvalidValue as error:
        path.add_problem(node, error.reason, error.hint)
        return default


def parse_bool(word: str) -> bool:
    """Raises InvalidValue."""
    if word.lower() in _TRUE:
        return True
    if word.lower() in _FALSE:
        return False
    raise InvalidValue("is not true or false")


def parse_integer(word: str) -> int:
    """Raises InvalidValue."""
    if not _WHOLE.fullmatch(word) or len(word) > _LONGEST:
        raise InvalidValue("is not a whole number")
    return int(word)


def parse_duration(word: str) -> float:
    """Parse a duration such as `1m30s` or `500ms` to seconds. Raises InvalidValue."""
    parts = _PART.findall(word)
    if not parts or "".join(number + unit for number, unit in parts) != word:
        if word == "0":
            return 0.0
        raise InvalidValue("is not a valid duration", "Use units: `90s`, `1m30s`, `500ms`.")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def parse_size(word: str) -> int:
    """Parse a size such as `64m` or `1gb` to bytes. Raises InvalidValue."""
    match = _BYTES.fullmatch(word.strip())
    if match is None or len(word) > _LONGEST:
        raise InvalidValue("is not a valid size", "Write it as `64m` or `1gb`.")
    return int(float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " "))


def command_words(node: Node | None, path: ValuePath) -> tuple[str, ...] | None:
    """Return the words of a command; None if the image's own is used."""
    if isinstance(node, List):
        return strings(node)
    return parse_scalar(node, path, _shell_words, None)


def _shell_words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError:
        raise InvalidValue("has an unclosed quote", "Write it as a list of words.") from None


def inherited(node: Node | None, outer: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that take their value from `outer`."""
    return [name for name, value in scalar_map(node).items() if value.value is None and name in outer]


def environment(node: Node | None, outer: Mapping[str, str]) -> dict[str, str]:
    """Return variables; one without a value is taken from `outer`, or left out if it is not set there."""
    found: dict[str, str] = {}
    for name, value in scalar_map(node).items():
        if value.value is not None:
            found[name] = value.text
        elif name in outer:
            found[name] = outer[name]
    return found

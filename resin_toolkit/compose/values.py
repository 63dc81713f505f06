"""Values of a compose file as Python's: the schema held their kinds, these read the words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import TypeVar

from resin_toolkit.compose.merge import named
from resin_toolkit.compose.nodes import Leaf, List, Map, Node
from resin_toolkit.compose.problems import Unusable, Where

T = TypeVar("T")
_TRUE = {"1", "t", "true", "y", "yes", "on"}
_FALSE = {"0", "f", "false", "n", "no", "off"}
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(h|ms|m|s|us|µs|ns)")
_BYTES = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_WHOLE = re.compile(r"[0-9]+")


def text(node: Node | None) -> str:
    return node.text if isinstance(node, Leaf) else ""


def words(node: Node | None) -> tuple[str, ...]:
    """A list of texts, or one text."""
    if isinstance(node, List):
        return tuple(text(item) for item in node.items)
    return (text(node),) if isinstance(node, Leaf) and node.value is not None else ()


def pairs(node: Node | None) -> dict[str, Leaf]:
    """A mapping, or a list of NAME=VALUE."""
    found = named(node) if isinstance(node, List) else node
    if not isinstance(found, Map):
        return {}
    return {key: value for key, value in found.entries.items() if isinstance(value, Leaf)}


def texts(node: Node | None) -> dict[str, str]:
    return {key: value.text for key, value in pairs(node).items()}


def read(node: Node | None, where: Where, reader: Callable[[str], T], default: T) -> T:
    """What `reader` makes of a value; `default` where there is none, or an unusable one, which is told."""
    if not isinstance(node, Leaf) or node.value is None:
        return default
    try:
        return reader(node.text)
    except Unusable as error:
        where.bad(node, error.why, error.hint)
        return default


def flag(word: str) -> bool:
    if word.lower() in _TRUE:
        return True
    if word.lower() in _FALSE:
        return False
    raise Unusable("is neither true nor false")


def whole(word: str) -> int:
    if not _WHOLE.fullmatch(word):
        raise Unusable("is no whole number")
    return int(word)


def duration(word: str) -> float:
    """Seconds: `1m30s`, `500ms`."""
    parts = _PART.findall(word)
    if not parts or "".join(number + unit for number, unit in parts) != word:
        if word == "0":
            return 0.0
        raise Unusable("is no duration", "It has units: `90s`, `1m30s`, `500ms`.")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def size(word: str) -> int:
    """Bytes: `64m`, `1gb`."""
    match = _BYTES.fullmatch(word.strip())
    if match is None:
        raise Unusable("is no size", "Write it as `64m` or `1gb`.")
    return int(float(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " "))


def command(node: Node | None, where: Where) -> tuple[str, ...] | None:
    """The words of a command; None is the image's own."""
    if isinstance(node, List):
        return words(node)
    return read(node, where, _shell_words, None)


def _shell_words(line: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line))
    except ValueError:
        raise Unusable("has a quote that is not closed", "Write it as a list of words.") from None


def environment(node: Node | None, workstation: Mapping[str, str]) -> dict[str, str]:
    """Variables; one without a value takes the workstation's, and is left out where that has none."""
    found: dict[str, str] = {}
    for name, value in pairs(node).items():
        if value.value is not None:
            found[name] = value.text
        elif name in workstation:
            found[name] = workstation[name]
    return found

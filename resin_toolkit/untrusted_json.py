"""Reading JSON that anybody may have written: fields of the expected type, and text that is safe to print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_LONGEST = 256
"""Characters of a text that are kept."""
_MAX_PARTS = 500_000
"""Values that a document may have. Each takes up to 100 bytes of memory: 50 times its own length."""
_MOST_DIGITS = 18
"""Of a number that fits into 64 bits."""


class WrongShape(ValueError):
    """JSON of another shape than the protocol defines."""


def load_json(data: bytes) -> Any:
    """Parse `data`. Raises ValueError, also if it has more than 500,000 values, and RecursionError."""
    if sum(map(data.count, (b",", b"[", b"{", b":"))) > _MAX_PARTS:
        raise WrongShape("too many values")
    return json.loads(data)


def one_line(value: str, longest: int = _LONGEST) -> str:
    """`value` without characters that are not printable, and cut to `longest` characters."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in value[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def as_object(value: Any) -> dict[str, Any]:
    """`value` if it is a JSON object. Raises WrongShape."""
    if not isinstance(value, dict):
        raise WrongShape("not an object")
    return value


def as_objects(value: Any) -> list[dict[str, Any]]:
    """`value` if it is a list of JSON objects; an empty list for None. Raises WrongShape."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise WrongShape("not a list of objects")
    return value


def text(known: Mapping[str, Any], key: str) -> str:
    """The text under `key`, on one line and printable; empty if it is missing or not a text."""
    value = known.get(key)
    return one_line(value) if isinstance(value, str) else ""


def number(known: Mapping[str, Any], key: str) -> int:
    """The integer under `key`; 0 if it is missing, not an integer, or needs more than 64 bits."""
    value = known.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63:
        return value
    return 0


def whole_number(text: str) -> int | None:
    """The number that `text` writes, in at most 18 decimal digits; None for anything else.

    `int` raises ValueError over 4,300 digits, and sums with such numbers take long.
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None


def object_of(known: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object under `key`; empty if it is missing or not an object."""
    value = known.get(key)
    return value if isinstance(value, dict) else {}


def texts_of(known: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The texts in the list under `key`, unchanged; entries that are not texts are left out."""
    value = known.get(key)
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()


def named_texts_of(known: Mapping[str, Any], key: str) -> dict[str, str]:
    """The texts in the object under `key`, unchanged; entries that are not texts are left out."""
    return {name: value for name, value in object_of(known, key).items() if isinstance(value, str)}

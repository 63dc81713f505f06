"""Parse config.json strictly (RFC 8259), and serialize it in one form."""

from __future__ import annotations

import re
from typing import NoReturn

from resin_toolkit.errors import ConfigInvalid

Config = dict[str, object]

_CORRECT_HINT = "Correct the file, or replace it with --replace."
_MAX_DEPTH = 100
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")\s*(:?)|[{}\[\]]')


def parse(data: bytes, name: str = "config.json") -> Config:
    """Parse config.json, preserving the order of keys.

    Accepts what Windows editors write: a byte-order mark, UTF-16 with one, and CRLF. Raises ConfigInvalid,
    with line and column, for anything else that is not one JSON object, and for duplicate keys: the device
    would silently use the last.
    """
    text = _decode(data, name)
    if not text.strip():
        raise ConfigInvalid(f"{name} is empty.", hint=_CORRECT_HINT, line=1, column=1)
    if _depth(text) > _MAX_DEPTH:
        raise ConfigInvalid(f"{name} is nested more than {_MAX_DEPTH} levels deep.", hint=_CORRECT_HINT)
    try:
        value = loads(text)
    except DuplicateKey:
        key, position = _second_key(text)
        raise _invalid(
            name, text, position, f'the key "{key}" appears twice in one object', _DUPLICATE_HINT
        ) from None
    except NotFinite as error:
        raise _invalid(
            name, text, _position(text, error.spelling), f"{error.spelling} is not a JSON number"
        ) from None
    except ValueError as error:
        position = getattr(error, "pos", 0)
        reason = getattr(error, "msg", "a number is too long")
        raise _invalid(name, text, position, reason[:1].lower() + reason[1:]) from None
    if not isinstance(value, dict):
        start = len(text) - len(text.lstrip())
        raise _invalid(name, text, start, "it is not a JSON object")
    return value


def needs_rewrite(data: bytes) -> bool:
    """Whether the file has a byte-order mark, UTF-16 or CRLF, which the device may not understand.

    `parse` accepts these, and `dump` writes plain UTF-8 with LF.
    """
    return data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\r" in data


_DUPLICATE_HINT = "Remove one of them; the device uses the last."


class DuplicateKey(ValueError):
    """A key appears twice in one object."""


class NotFinite(ValueError):
    """A number that JSON does not have, such as NaN, and how it is spelled."""

    def __init__(self, spelling: str) -> None:
        super().__init__(spelling)
        self.spelling = spelling


def loads(text: str) -> object:
    """Parse any JSON value. Raises ValueError: JSONDecodeError, DuplicateKey or NotFinite."""
    import json

    if _depth(text) > _MAX_DEPTH:
        raise ValueError("nested too deeply")

    return json.loads(text, object_pairs_hook=_object, parse_constant=_not_finite, parse_float=_float)


def dump(config: Config) -> bytes:
    """Serialize as UTF-8 with two spaces of indentation, in order, with a final newline."""
    import json

    text = json.dumps(config, ensure_ascii=False, indent=2, allow_nan=False)
    # A lone surrogate is valid in JSON only as an escape, which is what backslashreplace writes.
    return (text + "\n").encode("utf-8", "backslashreplace")


def to_json(value: object) -> str:
    """Serialize a value on one line."""
    import json

    return json.dumps(value, ensure_ascii=False)


def _object(pairs: list[tuple[str, object]]) -> Config:
    config = dict(pairs)
    if len(config) != len(pairs):
        raise DuplicateKey
    return config


def _not_finite(spelling: str) -> NoReturn:
    raise NotFinite(spelling)


def _float(spelling: str) -> float:
    number = float(spelling)
    if number in (float("inf"), float("-inf")):
        raise NotFinite(spelling)
    return number


def _decode(data: bytes, name: str) -> str:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        # Python versions differ in whether error.start counts the byte-order mark: report only the line.
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigInvalid(
            f"{name}, line {line}: invalid {encoding[:6].upper().rstrip('-')}.",
            hint="Save the file as UTF-8.",
            line=line,
        ) from None


def _invalid(name: str, text: str, position: int, reason: str, hint: str = _CORRECT_HINT) -> ConfigInvalid:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return ConfigInvalid(
        f"{name}, line {line}, column {column}: {reason}.", hint=hint, line=line, column=column
    )


def _depth(text: str) -> int:
    """Return the maximum nesting depth of brackets and braces."""
    if text.count("{") + text.count("[") <= _MAX_DEPTH:
        return 0
    depth = deepest = 0
    for token in _TOKEN.finditer(text):
        bracket = token.group()[0]
        depth += (bracket in "{[") - (bracket in "}]")
        deepest = max(deepest, depth)
    return deepest


def _position(text: str, spelling: str) -> int:
    """Return the offset of the first `spelling` outside strings."""
    for match in re.finditer(rf'"(?:[^"\\]|\\.)*"|({re.escape(spelling)})', text):
        if match.group(1):
            return match.start()
    return 0


def _second_key(text: str) -> tuple[str, int]:
    """Return the first duplicate key and its offset; `text` is otherwise valid JSON."""
    import json

    open_objects: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        bracket = token.group()[0]
        if bracket in "{[":
            open_objects.append(set())
        elif bracket in "}]":
            open_objects.pop()
        elif token.group(2):
            key = json.loads(token.group(1), strict=False)
            if key in open_objects[-1]:
                return key, token.start()
            open_objects[-1].add(key)
    raise AssertionError("no duplicate key")

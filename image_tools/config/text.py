"""JSON text of config.json, read strictly (RFC 8259) and written in one form."""

from __future__ import annotations

import re
from typing import NoReturn

from resin_toolkit.errors import ConfigInvalid

Config = dict[str, object]

_ANEW = "Correct the file, or replace it with --replace."
_MAX_DEPTH = 100
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")\s*(:?)|[{}\[\]]')


def parse(data: bytes, name: str = "config.json") -> Config:
    """The object that `data` holds, keys in their order.

    A byte-order mark, UTF-16 with one, and CRLF (Windows editors) are understood. Everything else that is
    not one JSON object raises ConfigInvalid, which names line and column. So does a key that stands twice
    in one object: the device would use the last, and what the first said would be lost without a word.
    """
    text = _decoded(data, name)
    if not text.strip():
        raise ConfigInvalid(f"{name} is empty.", hint=_ANEW, line=1, column=1)
    if _depth(text) > _MAX_DEPTH:
        raise ConfigInvalid(f"{name} is nested more than {_MAX_DEPTH} deep.", hint=_ANEW)
    try:
        value = loads(text)
    except DuplicateKey:
        key, position = _second_key(text)
        raise _invalid(name, text, position, f'the key "{key}" appears twice in one object', _TWICE) from None
    except NotFinite as error:
        raise _invalid(
            name, text, _position(text, error.word), f"{error.word} is not a JSON number"
        ) from None
    except ValueError as error:
        position = getattr(error, "pos", 0)
        reason = getattr(error, "msg", "a number is too long")
        raise _invalid(name, text, position, reason[:1].lower() + reason[1:]) from None
    if not isinstance(value, dict):
        start = len(text) - len(text.lstrip())
        raise _invalid(name, text, start, "it is not an object in braces")
    return value


def needs_rewrite(data: bytes) -> bool:
    """Whether an editor left what `parse` understands but the device's programs may not.

    That is a byte-order mark, UTF-16, or line ends of Windows; `dump` of what was parsed is without them.
    """
    return data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\r" in data


_TWICE = "Remove one of the two; the device would use the last."


class DuplicateKey(ValueError):
    """A key stands twice in one object."""


class NotFinite(ValueError):
    """A number that JSON does not have; `word` is how it was written."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def loads(text: str) -> object:
    """Any JSON value. Raises ValueError, of which JSONDecodeError, DuplicateKey and NotFinite are kinds."""
    import json

    if _depth(text) > _MAX_DEPTH:
        raise ValueError("nested too deeply")

    return json.loads(text, object_pairs_hook=_object, parse_constant=_not_finite, parse_float=_float)


def dump(config: Config) -> bytes:
    """UTF-8, two spaces of indentation, keys in their order, a newline at the end."""
    import json

    text = json.dumps(config, ensure_ascii=False, indent=2, allow_nan=False)
    # Half a surrogate pair is legal in JSON as an escape only, and backslashreplace writes just that.
    return (text + "\n").encode("utf-8", "backslashreplace")


def shown(value: object) -> str:
    """A value on one line."""
    import json

    return json.dumps(value, ensure_ascii=False)


def _object(pairs: list[tuple[str, object]]) -> Config:
    config = dict(pairs)
    if len(config) != len(pairs):
        raise DuplicateKey
    return config


def _not_finite(word: str) -> NoReturn:
    raise NotFinite(word)


def _float(word: str) -> float:
    number = float(word)
    if number in (float("inf"), float("-inf")):
        raise NotFinite(word)
    return number


def _decoded(data: bytes, name: str) -> str:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        # Some versions count from behind the byte-order mark, some from before: only whole lines are told.
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigInvalid(
            f"{name}, line {line}: a byte is not {encoding[:6].upper().rstrip('-')} text.",
            hint="Save the file as UTF-8.",
            line=line,
        ) from None


def _invalid(name: str, text: str, position: int, reason: str, hint: str = _ANEW) -> ConfigInvalid:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return ConfigInvalid(
        f"{name}, line {line}, column {column}: {reason}.", hint=hint, line=line, column=column
    )


def _depth(text: str) -> int:
    """How deep brackets and braces are nested, at the most."""
    if text.count("{") + text.count("[") <= _MAX_DEPTH:
        return 0
    depth = deepest = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()[0]
        depth += (mark in "{[") - (mark in "}]")
        deepest = max(deepest, depth)
    return deepest


def _position(text: str, word: str) -> int:
    """Where `word` first stands outside of strings."""
    for match in re.finditer(rf'"(?:[^"\\]|\\.)*"|({re.escape(word)})', text):
        if match.group(1):
            return match.start()
    return 0


def _second_key(text: str) -> tuple[str, int]:
    """The first key that stands twice in one object of `text`, which is valid JSON but for that."""
    import json

    open_objects: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        mark = token.group()[0]
        if mark in "{[":
            open_objects.append(set())
        elif mark in "}]":
            open_objects.pop()
        elif token.group(2):
            key = json.loads(token.group(1), strict=False)
            if key in open_objects[-1]:
                return key, token.start()
            open_objects[-1].add(key)
    raise AssertionError("no key stands twice")

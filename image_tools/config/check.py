"""Check config.json, and convert typed text to the value of a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from image_tools.config.keys import BY_NAME, GROUPS, Key, KeySource, ValueType, holder_of, nearest
from image_tools.config.text import Config, loads, shown
from resin_toolkit.errors import BadValue, Notice

Path = tuple[str, ...]

_YES = frozenset({"true", "yes", "on", "1", "y"})
_NO = frozenset({"false", "no", "off", "0", "n"})


class Code(Enum):
    """Kinds of problem; the values are stable names for scripts."""

    WRONG_TYPE = "config-wrong-type"
    BAD_VALUE = "config-bad-value"
    UNKNOWN_KEY = "config-unknown-key"
    FLAT_KEY = "config-flat-key"
    TEXT_FOR_BOOL = "config-text-for-bool"
    OLD_KEY = "config-old-key"


FATAL = frozenset({Code.WRONG_TYPE, Code.BAD_VALUE})
"""Problems that a value given by the user must not have."""


@dataclass(frozen=True)
class Problem:
    """Something wrong or dubious about one key. The message never holds a secret."""

    code: Code
    name: str
    message: str
    hint: str = ""

    def notice(self) -> Notice:
        """The same as a warning."""
        return Notice(self.code.value, f"{self.message} {self.hint}".rstrip())

    def error(self) -> BadValue:
        """The same as a failure."""
        return BadValue(self.message, hint=self.hint, key=self.name)


def problems(config: Config) -> Iterator[Problem]:
    """All problems of `config`, in its order. Keys that the cloud or OS 1.x writes are not checked."""
    return _object_problems((), config)


def fatal_problems(config: Config) -> Iterator[Problem]:
    """The problems of `config` that a value given by the user must not have."""
    return (problem for problem in problems(config) if problem.code in FATAL)


def key_at(path: Path) -> Key | None:
    """The known key at `path`; for an entry of a known object, a key that describes the entry."""
    name = ".".join(path)
    known = BY_NAME.get(name)
    if known is not None:
        return known if known.path == path else None
    holder = holder_of(name)
    if holder is None or path[: len(holder.path)] != holder.path or len(path) != len(holder.path) + 1:
        return None
    return Key(
        name, ValueType.STRING, holder.meaning, holder.check, origin=holder.origin, secret=holder.secret
    )


def typed(key: Key, text: str) -> object:
    """The value that `text` means for `key`. Raises BadValue where it means none of the key's kind."""
    if key.value_type is ValueType.STRING:
        return key.normal(text) if key.normal else text
    word = text.strip()
    if key.value_type is ValueType.BOOL:
        return _bool(key, word)
    if key.value_type is ValueType.INTEGER:
        if not word.removeprefix("-").isdecimal() or not word.isascii() or len(word) > 18:
            raise _mistyped(key, "Give digits only.")
        return int(word)
    if key.value_type is ValueType.STRINGS and not word.startswith("["):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        value = loads(word)
    except ValueError:
        raise _mistyped(key, "Give it as JSON, in quotes for the shell.") from None
    if not _fits(key, value):
        raise _mistyped(key, f"Give {key.value_type.value}, in JSON.")
    return value


def guessed(text: str) -> object:
    """The JSON value that `text` is, or `text` itself.

    A number that JSON would write in another way (`1.10`, `1e3`) stays text: it is rather a version.
    """
    try:
        value = loads(text)
    except ValueError:
        return text
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return text if is_number and shown(value) != text.strip() else value


def _object_problems(above: Path, config: Config) -> Iterator[Problem]:
    for name, value in config.items():
        path = (*above, name)
        key = key_at(path)
        if key is not None:
            yield from _key_problems(key, value)
        elif _is_group(path):
            yield from _group_problems(path, value)
        else:
            yield _unknown(path, value)


def _group_problems(path: Path, value: object) -> Iterator[Problem]:
    if isinstance(value, dict):
        yield from _object_problems(path, value)
    elif value is not None:
        name = ".".join(path)
        message = f"{name} is not an object, but the device expects keys in it."
        yield Problem(Code.WRONG_TYPE, name, message, f"Make it a JSON object, or remove it: --unset {name}.")


def _key_problems(key: Key, value: object) -> Iterator[Problem]:
    if key.origin is KeySource.OLD:
        yield Problem(Code.OLD_KEY, key.name, f"{key.name} is read by OS 1.x only.")
    if key.origin is not KeySource.USER or value is None:
        return
    if key.value_type is ValueType.BOOL and value in ("true", "false"):
        if key.name != "developmentMode":
            message = f'{key.name} is the text "{value}".'
            yield Problem(Code.TEXT_FOR_BOOL, key.name, message, f"Rather use {value} without quotes.")
        return
    if not _fits(key, value):
        hint = f"Set it with --set {key.name}=…, or remove it with --unset {key.name}."
        yield Problem(Code.WRONG_TYPE, key.name, f"{key.name} must be {key.value_type.value}.", hint)
        return
    yield from _value_problems(key, value)


def _value_problems(key: Key, value: object) -> Iterator[Problem]:
    if isinstance(value, dict):
        yield from _entry_problems(key, value)
        return
    texts = value if isinstance(value, list) else [value]
    for text in map(str, texts):
        yield from _judged(key.check, text, key.name)


def _entry_problems(key: Key, entries: Config) -> Iterator[Problem]:
    for entry, value in entries.items():
        name = f"{key.name}.{entry}"
        yield from _judged(key.entry, entry, key.name)
        if value is not None and not isinstance(value, str):
            hint = f"Set it with --set {name}=…, or remove it with --unset {name}."
            yield Problem(Code.WRONG_TYPE, name, f"{name} must be {ValueType.STRING.value}.", hint)


def _judged(check: Callable[[str], None] | None, text: str, name: str) -> Iterator[Problem]:
    if check is None:
        return
    try:
        check(text)
    except BadValue as error:
        yield Problem(Code.BAD_VALUE, name, f"{name}: {error.message}", error.hint)


def _unknown(path: Path, value: object) -> Problem:
    name = ".".join(path)
    if name in BY_NAME or name in GROUPS:
        message = f'"{name}" is a single name with dots; the device expects nested objects.'
        return Problem(Code.FLAT_KEY, name, message, f"Use --set {name}=…, which nests.")
    while isinstance(value, dict) and len(value) == 1:
        [(below, value)] = value.items()
        name = f"{name}.{below}"
    meant = nearest(name)
    message = f'"{name}" is not a known key; it is kept.'
    return Problem(Code.UNKNOWN_KEY, name, message, f'Did you mean "{meant}"?' if meant else "")


def _is_group(path: Path) -> bool:
    return ".".join(path) in GROUPS and not any("." in name for name in path)


def _fits(key: Key, value: object) -> bool:
    match key.value_type:
        case ValueType.STRING:
            return isinstance(value, str)
        case ValueType.BOOL:
            return isinstance(value, bool)
        case ValueType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case ValueType.STRINGS:
            return isinstance(value, list) and all(isinstance(text, str) for text in value)
        case ValueType.OBJECT:
            return isinstance(value, dict)


def _bool(key: Key, word: str) -> bool:
    if word.casefold() in _YES:
        return True
    if word.casefold() in _NO:
        return False
    raise _mistyped(key, "Use true or false.")


def _mistyped(key: Key, hint: str) -> BadValue:
    return BadValue(f"{key.name} must be {key.value_type.value}.", hint=hint, key=key.name)

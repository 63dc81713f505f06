"""Check config.json, and convert command-line text to values of keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from image_tools.config.keys import BY_NAME, GROUPS, Key, KeySource, ValueType, nearest_key, object_key_of
from image_tools.config.text import Config, loads, to_json
from resin_toolkit.errors import BadValue, Notice

Path = tuple[str, ...]

_YES = frozenset({"true", "yes", "on", "1", "y"})
_NO = frozenset({"false", "no", "off", "0", "n"})


class Code(Enum):
    """Problem codes; the values are stable identifiers for scripts."""

    WRONG_TYPE = "config-wrong-type"
    BAD_VALUE = "config-bad-value"
    UNKNOWN_KEY = "config-unknown-key"
    FLAT_KEY = "config-flat-key"
    TEXT_FOR_BOOL = "config-text-for-bool"
    OLD_KEY = "config-old-key"


FATAL = frozenset({Code.WRONG_TYPE, Code.BAD_VALUE})
"""Problems for which a value given by the user is rejected."""


@dataclass(frozen=True)
class Problem:
    """An error or warning about one key. The message never contains a secret."""

    code: Code
    name: str
    message: str
    hint: str = ""

    def notice(self) -> Notice:
        """Return the problem as a warning."""
        return Notice(self.code.value, f"{self.message} {self.hint}".rstrip())

    def error(self) -> BadValue:
        """Return the problem as an error."""
        return BadValue(self.message, hint=self.hint, key=self.name)


def find_problems(config: Config) -> Iterator[Problem]:
    """Find all find_problems of `config`, in order. Keys written by the cloud are not checked."""
    return _object_problems((), config)


def find_fatal_problems(config: Config) -> Iterator[Problem]:
    """Find the find_problems of `config` for which it is rejected when given by the user."""
    return (problem for problem in find_problems(config) if problem.code in FATAL)


def key_at(path: Path) -> Key | None:
    """Return the known key at `path`; for an entry of a known object, a key that describes the entry."""
    name = ".".join(path)
    known = BY_NAME.get(name)
    if known is not None:
        return known if known.path == path else None
    object_key = object_key_of(name)
    if (
        object_key is None
        or path[: len(object_key.path)] != object_key.path
        or len(path) != len(object_key.path) + 1
    ):
        return None
    return Key(
        name,
        ValueType.STRING,
        object_key.meaning,
        object_key.check,
        origin=object_key.origin,
        secret=object_key.secret,
    )


def parse_typed(key: Key, text: str) -> object:
    """Convert `text` to the type of `key`. Raises BadValue if that is not possible."""
    if key.value_type is ValueType.STRING:
        return key.normalize(text) if key.normalize else text
    stripped = text.strip()
    if key.value_type is ValueType.BOOL:
        return _bool(key, stripped)
    if key.value_type is ValueType.INTEGER:
        if not stripped.removeprefix("-").isdecimal() or not stripped.isascii() or len(stripped) > 18:
            raise _type_error(key, "Use only digits.")
        return int(stripped)
    if key.value_type is ValueType.STRINGS and not stripped.startswith("["):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        value = loads(stripped)
    except ValueError:
        raise _type_error(key, "Give the value as JSON, quoted for the shell.") from None
    if not _fits(key, value):
        raise _type_error(key, f"Give {key.value_type.value} as JSON.")
    return value


def guess_value(text: str) -> object:
    """Parse `text` as JSON if it is valid JSON, else return it unchanged.

    A number that would not be written back the same (`1.10`, `1e3`) stays text: it is more likely a version.
    """
    try:
        value = loads(text)
    except ValueError:
        return text
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return text if is_number and to_json(value) != text.strip() else value


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
        message = f"{name} must be an object."
        yield Problem(Code.WRONG_TYPE, name, message, f"Use a JSON object, or remove it with --unset {name}.")


def _key_problems(key: Key, value: object) -> Iterator[Problem]:
    if key.origin is KeySource.OLD:
        yield Problem(Code.OLD_KEY, key.name, f"{key.name} is only used by OS 1.x.")
    if key.origin is not KeySource.USER or value is None:
        return
    if key.value_type is ValueType.BOOL and value in ("true", "false"):
        if key.name != "developmentMode":
            message = f'{key.name} is the string "{value}" instead of a boolean.'
            yield Problem(Code.TEXT_FOR_BOOL, key.name, message, f"Remove the quotes around {value}.")
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
        yield from _check_text(key.check, text, key.name)


def _entry_problems(key: Key, entries: Config) -> Iterator[Problem]:
    for entry, value in entries.items():
        name = f"{key.name}.{entry}"
        yield from _check_text(key.check_entry, entry, key.name)
        if value is not None and not isinstance(value, str):
            hint = f"Set it with --set {name}=…, or remove it with --unset {name}."
            yield Problem(Code.WRONG_TYPE, name, f"{name} must be {ValueType.STRING.value}.", hint)


def _check_text(check: Callable[[str], None] | None, text: str, name: str) -> Iterator[Problem]:
    if check is None:
        return
    try:
        check(text)
    except BadValue as error:
        yield Problem(Code.BAD_VALUE, name, f"{name}: {error.message}", error.hint)


def _unknown(path: Path, value: object) -> Problem:
    name = ".".join(path)
    if name in BY_NAME or name in GROUPS:
        message = f'"{name}" is one key with dots in its name; the device expects nested objects.'
        return Problem(Code.FLAT_KEY, name, message, f"Use --set {name}=…, which creates nested objects.")
    while isinstance(value, dict) and len(value) == 1:
        [(below, value)] = value.items()
        name = f"{name}.{below}"
    suggestion = nearest_key(name)
    message = f'"{name}" is not a known key; it is kept.'
    return Problem(Code.UNKNOWN_KEY, name, message, f'Did you mean "{suggestion}"?' if suggestion else "")


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


def _bool(key: Key, stripped: str) -> bool:
    if stripped.casefold() in _YES:
        return True
    if stripped.casefold() in _NO:
        return False
    raise _type_error(key, "Use true or false.")


def _type_error(key: Key, hint: str) -> BadValue:
    return BadValue(f"{key.name} must be {key.value_type.value}.", hint=hint, key=key.name)

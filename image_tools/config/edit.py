"""Edit, check and compare config.json.

Functions that change something return a new object, which shares the unchanged parts with the old one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from image_tools.config.check import (
    Code,
    Path,
    find_fatal_problems,
    find_problems,
    guess_value,
    key_at,
    parse_typed,
)
from image_tools.config.keys import BY_NAME, KEYS, object_key_of
from image_tools.config.text import Config, to_json
from resin_toolkit.errors import BadValue, ConfigInvalid, Notice

HIDDEN = "********"

_SECRET_WORDS = ("passw", "passphrase", "secret", "token", "apikey", "psk", "privatekey", "credential")
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/?#\s]*@")


def set_value(config: Config, name: str, text: str) -> tuple[Config, list[Notice]]:
    """Set the key `name` (dots separate nested keys) to the value that `text` stands for.

    For a known key, `text` is converted to its type: true/yes/on for a boolean, lines or a JSON list for a
    list. For an unknown key, it is parsed as JSON if possible, else it is a string; a notice names the
    nearest known key. Raises BadValue for an invalid value, and if a parent of the key is not an object.
    """
    path = _path(config, name)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise BadValue(f"The value of {name} is not valid Unicode.", hint="Use UTF-8.")
    key = key_at(path)
    value = parse_typed(key, text) if key else guess_value(text)
    changed = _put(config, path, value)
    branch = _nested(path, value)
    _raise_fatal(branch)
    return changed, [problem.notice() for problem in find_problems(branch)]


def unset(config: Config, name: str) -> tuple[Config, list[Notice]]:
    """Remove the key `name`, and the objects that become empty. A missing key is only a notice."""
    path = _path(config, name)
    if not _has(config, path) and name in config:
        path = (name,)
    if not _has(config, path):
        return config, [Notice("config-no-such-key", f"{name} is not set; nothing was removed.")]
    return _without(config, path), []


def merge(config: Config, other: Config) -> tuple[Config, list[Notice]]:
    """Merge `other` into `config`: objects are merged, all other values (also null) are replaced.

    Raises BadValue for the first invalid value of a known key in `other`.
    """
    other = _normalize(other)
    _raise_fatal(other)
    return _merge(config, other), [problem.notice() for problem in find_problems(other)]


def check(config: Config) -> list[Notice]:
    """Check a whole config.json, and return warnings about unknown keys and unusable values.

    Raises ConfigInvalid if a known key has a value of the wrong type; the strings "true" and "false" are
    accepted for a boolean, because the device accepts them. Keys written by the cloud are not checked.
    """
    found = list(find_problems(config))
    for problem in found:
        if problem.code is Code.WRONG_TYPE:
            raise ConfigInvalid(f"config.json: {problem.message}", hint=problem.hint, key=problem.name)
    return [problem.notice() for problem in found]


def hidden(config: Config) -> Config:
    """Return `config` with secrets replaced by asterisks, including unknown keys that sound like secrets."""
    return {name: _hidden((name,), value, secret=False) for name, value in config.items()}


def diff(old: Config, new: Config) -> list[str]:
    """Return a line for each changed value: "+ a.b = 1", "- a.b = 1", "~ a.b: 1 -> 2"; secrets are hidden."""
    before, after = dict(_leaves((), old)), dict(_leaves((), new))
    before_shown, after_shown = dict(_leaves((), hidden(old))), dict(_leaves((), hidden(new)))
    lines = []
    for path, value in before.items():
        name = ".".join(path)
        if path not in after:
            lines.append(f"- {name} = {to_json(before_shown[path])}")
        elif to_json(value) != to_json(after[path]):
            lines.append(f"~ {name}: {to_json(before_shown[path])} -> {to_json(after_shown[path])}")
    added = (path for path in after if path not in before)
    lines.extend(f"+ {'.'.join(path)} = {to_json(after_shown[path])}" for path in added)
    return lines


def _raise_fatal(config: Config) -> None:
    for problem in find_fatal_problems(config):
        raise problem.error()


def _hidden(path: Path, value: object, *, secret: bool) -> object:
    secret = secret or _is_secret(path)
    if isinstance(value, dict):
        return {name: _hidden((*path, name), below, secret=secret) for name, below in value.items()}
    if isinstance(value, list):
        return [_hidden(path, below, secret=secret) for below in value]
    if secret:
        return value if value is None or isinstance(value, bool) else HIDDEN
    if isinstance(value, str):
        return HIDDEN if "PRIVATE KEY" in value else _LOGIN_IN_URL.sub(f"{HIDDEN}@", value)
    return value


def _is_secret(path: Path) -> bool:
    key = key_at(path)
    if key is not None:
        return key.secret
    name = path[-1].casefold().replace("_", "").replace("-", "")
    return name.endswith(("key", "keys", "pin", "auth")) or any(word in name for word in _SECRET_WORDS)


# paths


def _path(config: Config, name: str) -> Path:
    if name in BY_NAME:
        return BY_NAME[name].path
    object_key = object_key_of(name)
    if object_key is not None:
        return (*object_key.path, name[len(object_key.name) + 1 :])
    if name in config:
        return (name,)
    path = tuple(name.split("."))
    if not all(path):
        raise BadValue(
            f'"{name}" is not a valid key.', hint="Separate nested keys with single dots: os.fan.profile."
        )
    return path


def _has(config: Config, path: Path) -> bool:
    value: object = config
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def _nested(path: Path, value: object) -> Config:
    """Return an object that contains only `value`, at `path`."""
    for name in reversed(path[1:]):
        value = {name: value}
    return {path[0]: value}


def _put(config: Config, path: Path, value: object, above: str = "") -> Config:
    name, rest = path[0], path[1:]
    if not rest:
        return {**config, name: value}
    below = config.get(name)
    parent = f"{above}{name}"
    if below is not None and not isinstance(below, dict):
        raise BadValue(
            f"{parent} is not an object, so it cannot contain {'.'.join(rest)}.",
            hint=f"Remove it first with --unset {parent}.",
        )
    return {**config, name: _put(below or {}, rest, value, f"{parent}.")}


def _without(config: Config, path: Path) -> Config:
    rest = {name: value for name, value in config.items() if name != path[0]}
    if len(path) == 1:
        return rest
    below = config[path[0]]
    assert isinstance(below, dict)
    remaining = _without(below, path[1:])
    return {**config, path[0]: remaining} if remaining else rest


def _merge(config: Config, other: Config) -> Config:
    result = dict(config)
    for name, value in other.items():
        below = result.get(name)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[name] = _merge(below, value) if both else value  # type: ignore[arg-type]
    return result


def _normalize(config: Config) -> Config:
    """Return `config` with known keys in the form that the device reads."""
    for key in KEYS:
        if key.normalize is not None and _has(config, key.path):
            value = _get(config, key.path)
            if isinstance(value, str):
                config = _put(config, key.path, key.normalize(value))
    return config


def _get(config: Config, path: Path) -> object:
    value: object = config
    for name in path:
        assert isinstance(value, dict)
        value = value[name]
    return value


def _leaves(path: Path, value: object) -> Iterator[tuple[Path, object]]:
    if isinstance(value, dict) and (value or not path):
        for name, below in value.items():
            yield from _leaves((*path, name), below)
    else:
        yield path, value

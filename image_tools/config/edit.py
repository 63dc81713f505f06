"""config.json of the boot partition: read, change, check, compare and write it.

Every function that changes something returns a new object and leaves the one it was given as it was;
parts that did not change are shared between the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from image_tools.config.check import Code, Path, fatal_problems, guessed, key_at, problems, typed
from image_tools.config.keys import BY_NAME, KEYS, holder_of
from image_tools.config.text import Config, shown
from resin_toolkit.errors import BadValue, ConfigInvalid, Notice

HIDDEN = "********"

_SECRET_WORDS = ("passw", "passphrase", "secret", "token", "apikey", "psk", "privatekey", "credential")
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/?#\s]*@")


def set_value(config: Config, name: str, text: str) -> tuple[Config, list[Notice]]:
    """`config` with the key `name` (dots nest) set to what `text` means.

    A known key takes its own type: true/yes/on for a bool, lines or a JSON list for a list. The value of an
    unknown key is JSON where `text` is JSON, and text where it is not; a notice names the nearest known key.
    Raises BadValue for a value that the key cannot have, and for a name below something that is no object.
    """
    path = _path(config, name)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise BadValue(f"The value of {name} is not valid Unicode.", hint="Type it in UTF-8.")
    key = key_at(path)
    value = typed(key, text) if key else guessed(text)
    changed = _put(config, path, value)
    branch = _branch(path, value)
    _refuse_fatal(branch)
    return changed, [problem.notice() for problem in problems(branch)]


def unset(config: Config, name: str) -> tuple[Config, list[Notice]]:
    """`config` without the key `name`, and without the objects that this leaves empty.

    A key that is not there is a notice.
    """
    path = _path(config, name)
    if not _has(config, path) and name in config:
        path = (name,)
    if not _has(config, path):
        return config, [Notice("config-no-such-key", f"{name} is not set; nothing was removed.")]
    return _without(config, path), []


def merge(config: Config, other: Config) -> tuple[Config, list[Notice]]:
    """`config` with `other` laid over it: objects are merged, everything else (null too) is replaced.

    The known keys of `other` are checked, and BadValue tells of the first that cannot be right.
    """
    other = _normal(other)
    _refuse_fatal(other)
    return _merged(config, other), [problem.notice() for problem in problems(other)]


def check(config: Config) -> list[Notice]:
    """What is dubious in a whole config.json: unknown keys, values that the device cannot use.

    Raises ConfigInvalid where a known key has a value of another type. A bool that is written as the text
    "true" or "false" is read by the device. Keys that the cloud writes are left alone.
    """
    found = list(problems(config))
    for problem in found:
        if problem.code is Code.WRONG_TYPE:
            raise ConfigInvalid(f"config.json: {problem.message}", hint=problem.hint, key=problem.name)
    return [problem.notice() for problem in found]


def hidden(config: Config) -> Config:
    """`config` with asterisks for secrets, and for unknown keys whose name sounds like one."""
    return {name: _hidden((name,), value, secret=False) for name, value in config.items()}


def diff(old: Config, new: Config) -> list[str]:
    """The change, a line for each value: "+ a.b = 1", "- a.b = 1", "~ a.b: 1 -> 2"; secrets are hidden."""
    before, after = dict(_leaves((), old)), dict(_leaves((), new))
    before_shown, after_shown = dict(_leaves((), hidden(old))), dict(_leaves((), hidden(new)))
    lines = []
    for path, value in before.items():
        name = ".".join(path)
        if path not in after:
            lines.append(f"- {name} = {shown(before_shown[path])}")
        elif shown(value) != shown(after[path]):
            lines.append(f"~ {name}: {shown(before_shown[path])} -> {shown(after_shown[path])}")
    added = (path for path in after if path not in before)
    lines.extend(f"+ {'.'.join(path)} = {shown(after_shown[path])}" for path in added)
    return lines


def _refuse_fatal(config: Config) -> None:
    for problem in fatal_problems(config):
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
    holder = holder_of(name)
    if holder is not None:
        return (*holder.path, name[len(holder.name) + 1 :])
    if name in config:
        return (name,)
    path = tuple(name.split("."))
    if not all(path):
        raise BadValue(
            f'"{name}" is not a key.', hint="A key is a name, or names with dots between: os.fan.profile."
        )
    return path


def _has(config: Config, path: Path) -> bool:
    value: object = config
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def _branch(path: Path, value: object) -> Config:
    """An object that holds nothing but `value` at `path`."""
    for name in reversed(path[1:]):
        value = {name: value}
    return {path[0]: value}


def _put(config: Config, path: Path, value: object, above: str = "") -> Config:
    name, rest = path[0], path[1:]
    if not rest:
        return {**config, name: value}
    below = config.get(name)
    place = f"{above}{name}"
    if below is not None and not isinstance(below, dict):
        raise BadValue(
            f"{place} is a value, so it cannot contain {'.'.join(rest)}.",
            hint=f"Remove it first: --unset {place}.",
        )
    return {**config, name: _put(below or {}, rest, value, f"{place}.")}


def _without(config: Config, path: Path) -> Config:
    rest = {name: value for name, value in config.items() if name != path[0]}
    if len(path) == 1:
        return rest
    below = config[path[0]]
    assert isinstance(below, dict)
    left = _without(below, path[1:])
    return {**config, path[0]: left} if left else rest


def _merged(config: Config, other: Config) -> Config:
    result = dict(config)
    for name, value in other.items():
        below = result.get(name)
        both = isinstance(below, dict) and isinstance(value, dict)
        result[name] = _merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def _normal(config: Config) -> Config:
    """`config` with the texts of known keys in the form that the device reads."""
    for key in KEYS:
        if key.normal is not None and _has(config, key.path):
            value = _get(config, key.path)
            if isinstance(value, str):
                config = _put(config, key.path, key.normal(value))
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

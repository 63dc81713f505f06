"""Readers for the values of `resin.toml`. All raise InvalidSetting."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import TypeVar

from resin_toolkit.project.application import RESTART_POLICIES, DeviceNode, Mount, Port, is_restart_policy

T = TypeVar("T")
_PORT = re.compile(r"(?:([0-9.]+|\[[0-9a-fA-F:.]+\]):)?([0-9]{1,5}):([0-9]{1,5})(?:/(tcp|udp))?")
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SECONDS = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|min|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, None: 1.0}
_DEVICE = re.compile(r"(/dev/[^:]+)(?::(/[^:]+)(?::([rwm]{1,3}))?)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SIGNAL = re.compile(r"SIG[A-Z0-9+-]+|[0-9]{1,2}")
_TYPE_NAMES = {
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class InvalidSetting(Exception):
    """An invalid value: `reason` is a predicate of the key, `hint` says what is allowed."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def text(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type(value, "a string", 'Put it in quotes: "…".')
    if not value or "\0" in value:
        raise InvalidSetting("is empty", "Remove it, or give it a value.")
    return value


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(value, "true or false", "Write true or false, without quotes.")
    return value


def seconds(value: object) -> float:
    """Read a number of seconds, or a string with a unit: `10`, `"10s"`, `"500ms"`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    match = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidSetting(
            "is not a valid duration", 'Use a number of seconds, or a string such as "10s" or "500ms".'
        )
    return float(match[1]) * _UNITS[match[2]]


def texts(value: object) -> tuple[str, ...]:
    return each(text)(value)


def each(reader: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    """Return a reader of lists from a reader of their items."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise _wrong_type(value, "a list", 'Put it in brackets: ["…"].')
        return tuple(reader(entry) for entry in value)

    return read


def pairs(value: object) -> Mapping[str, str]:
    """Read a table of variables; numbers and booleans become strings."""
    if not isinstance(value, dict):
        raise _wrong_type(value, "a table", 'Write { NAME = "value" }.')
    for name, entry in value.items():
        if not _VARIABLE.fullmatch(name):
            raise InvalidSetting(
                f"has {name!r}, which is not a valid variable name", "Use letters, digits and _."
            )
        if not isinstance(entry, str | int | float):
            raise InvalidSetting(f"has {name}, which is neither string nor number", 'Write NAME = "value".')
    return {name: _word(entry) for name, entry in value.items()}


def command(value: object) -> tuple[str, ...]:
    """Read a command: a list of words, or a string that is split like in a shell."""
    if isinstance(value, list):
        return texts(value)
    try:
        words = tuple(shlex.split(text(value)))
    except ValueError:
        raise InvalidSetting("has an unclosed quote", 'Write it as a list: ["program", "word"].') from None
    if not words:
        raise InvalidSetting("is empty", "Remove it to use the command of the image.")
    return words


def restart(value: object) -> str:
    word = text(value)
    if not is_restart_policy(word):
        raise InvalidSetting(
            f"is {word!r}, which is not a restart policy",
            f"Use {RESTART_POLICIES}.",
        )
    return word


def network(value: object) -> str:
    word = text(value)
    if word not in ("host", "bridge", "none"):
        raise InvalidSetting(
            f"is {word!r}, which is not a network mode",
            "Use host, bridge or none; custom networks require a compose file.",
        )
    return word


def port(value: object) -> Port:
    """Read `8080:80`, `53:53/udp`, `127.0.0.1:8080:80`."""
    match = _PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None or not all(0 < int(number) < 65536 for number in match.group(2, 3)):
        raise InvalidSetting(
            f"has {_word(value)!r}, which is not a port",
            'Use "DEVICE_PORT:CONTAINER_PORT", such as "8080:80" or "53:53/udp".',
        )
    return Port(int(match[3]), int(match[2]), match[4] or "tcp", (match[1] or "").strip("[]"))


def volume(value: object) -> Mount:
    """Read `/path/on/the/device:/target` or `name:/target`, optionally with `:ro`."""
    source, _, rest = text(value).partition(":")
    target, _, mode = rest.partition(":")
    if mode not in ("", "ro", "rw") or not target.startswith("/"):
        raise InvalidSetting(
            f"has {value!r}, which is not a volume",
            'Use "SOURCE:TARGET", such as "/mnt/data/music:/music:ro" or "cache:/var/cache".',
        )
    if source.startswith("/"):
        return Mount("bind", target, source, mode == "ro")
    if not _VOLUME.fullmatch(source):
        raise InvalidSetting(
            f"has the volume {source!r}, which is on this machine and not on the device",
            "COPY files into the image, or use a volume name or an absolute path on the device.",
        )
    return Mount("volume", target, source, mode == "ro")


def device(value: object) -> DeviceNode:
    """Read `/dev/ttyS0`, `/dev/ttyS0:/dev/modem`, `/dev/ttyS0:/dev/modem:rw`."""
    match = _DEVICE.fullmatch(text(value))
    if match is None:
        raise InvalidSetting(
            f"has {value!r}, which is not a device file",
            'Use "/dev/NAME", "/dev/NAME:/dev/OTHER" or "/dev/NAME:/dev/OTHER:rwm".',
        )
    return DeviceNode(match[1], match[2] or match[1], match[3] or "rwm")


def stop_signal(value: object) -> str:
    word = text(value)
    if not _SIGNAL.fullmatch(word):
        raise InvalidSetting(f"is {word!r}, which is not a signal", 'Use a name such as "SIGINT".')
    return word


def _wrong_type(value: object, wanted: str, hint: str) -> InvalidSetting:
    return InvalidSetting(f"is {_TYPE_NAMES.get(type(value), 'of another type')}, not {wanted}", hint)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

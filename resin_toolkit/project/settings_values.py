"""Values of `resin.toml`: what each may be, and what is said of one that it may not be."""

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
_KINDS = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class InvalidSetting(Exception):
    """A value that its key cannot have: `reason` goes on after the key's name, `hint` says what it can."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def text(value: object) -> str:
    if not isinstance(value, str):
        raise _other_kind(value, "a text", 'Put it in quotes: "…".')
    if not value or "\0" in value:
        raise InvalidSetting("is empty", "Leave it out, or give it a value.")
    return value


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _other_kind(value, "true or false", "Write true or false, without quotes.")
    return value


def seconds(value: object) -> float:
    """A number of seconds, or a text with a unit: `10`, `"10s"`, `"500ms"`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    match = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidSetting(
            "is not a valid duration", 'It is a number of seconds, or a text such as "10s" or "500ms".'
        )
    return float(match[1]) * _UNITS[match[2]]


def texts(value: object) -> tuple[str, ...]:
    return each(text)(value)


def each(reader: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    """A reader of a list, of a reader of its entries."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise _other_kind(value, "a list", 'Put it in brackets: ["…"].')
        return tuple(reader(entry) for entry in value)

    return read


def pairs(value: object) -> Mapping[str, str]:
    """A table of variables; a number stands for its digits, true for `true`."""
    if not isinstance(value, dict):
        raise _other_kind(value, "a table", 'Write { NAME = "value" }.')
    for name, entry in value.items():
        if not _VARIABLE.fullmatch(name):
            raise InvalidSetting(
                f"has {name!r}, which is not a name of a variable", "It has letters, digits and _ only."
            )
        if not isinstance(entry, str | int | float):
            raise InvalidSetting(f"has {name}, which is neither a text nor a number", 'Write NAME = "value".')
    return {name: _word(entry) for name, entry in value.items()}


def command(value: object) -> tuple[str, ...]:
    """The words of a command: a list of them, or a line that is split as a shell splits it."""
    if isinstance(value, list):
        return texts(value)
    try:
        words = tuple(shlex.split(text(value)))
    except ValueError:
        raise InvalidSetting("has an unclosed quote", 'Write it as a list: ["program", "word"].') from None
    if not words:
        raise InvalidSetting("is empty", "Leave it out for the image's own.")
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
            f"is {word!r}, which is not a network of a device",
            "Use host, bridge or none; networks of one's own are for compose files.",
        )
    return word


def port(value: object) -> Port:
    """`8080:80`, `53:53/udp`, `127.0.0.1:8080:80`."""
    match = _PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None or not all(0 < int(number) < 65536 for number in match.group(2, 3)):
        raise InvalidSetting(
            f"has {_word(value)!r}, which is not a port",
            'It is "PORT OF THE DEVICE:PORT OF THE CONTAINER", such as "8080:80" or "53:53/udp".',
        )
    return Port(int(match[3]), int(match[2]), match[4] or "tcp", (match[1] or "").strip("[]"))


def volume(value: object) -> Mount:
    """`/path/on/the/device:/target`, `name:/target`, either with `:ro`."""
    source, _, rest = text(value).partition(":")
    target, _, mode = rest.partition(":")
    if mode not in ("", "ro", "rw") or not target.startswith("/"):
        raise InvalidSetting(
            f"has {value!r}, which is not a volume",
            'It is "SOURCE:TARGET", such as "/mnt/data/music:/music:ro" or "cache:/var/cache".',
        )
    if source.startswith("/"):
        return Mount("bind", target, source, mode == "ro")
    if not _VOLUME.fullmatch(source):
        raise InvalidSetting(
            f"has the volume {source!r}, which a device cannot see: it is on the workstation",
            "Copy files into the image with COPY, or name a volume or an absolute path of the device.",
        )
    return Mount("volume", target, source, mode == "ro")


def device(value: object) -> DeviceNode:
    """`/dev/ttyS0`, `/dev/ttyS0:/dev/modem`, `/dev/ttyS0:/dev/modem:rw`."""
    match = _DEVICE.fullmatch(text(value))
    if match is None:
        raise InvalidSetting(
            f"has {value!r}, which is not a device file",
            'It is "/dev/NAME", "/dev/NAME:/dev/OTHER" or "/dev/NAME:/dev/OTHER:rwm".',
        )
    return DeviceNode(match[1], match[2] or match[1], match[3] or "rwm")


def stop_signal(value: object) -> str:
    word = text(value)
    if not _SIGNAL.fullmatch(word):
        raise InvalidSetting(f"is {word!r}, which is not a signal", 'It is a name such as "SIGINT".')
    return word


def _other_kind(value: object, wanted: str, hint: str) -> InvalidSetting:
    return InvalidSetting(f"is {_KINDS.get(type(value), 'of another kind')}, not {wanted}", hint)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""Requests to an engine that containers, images, networks, volumes and builds share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.models import WrongShape, one_line
from resin_toolkit.engine.transport.connection_pool import PATIENCE
from resin_toolkit.errors import BadValue

T = TypeVar("T")
SLOW = 300.0
"""Seconds for what a board with a worn card may take long for: copying a volume, removing a container."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""What the engine takes for the name of a container, network or volume; an ID is one of these, too."""


class ApiClient:
    """Asks one engine. Every method may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.connections = engine.connections
        self.host = engine.host

    def speaks(self, major: int, minor: int) -> bool:
        """Whether the engine has what came with that version of the API."""
        return self.engine.speaks(major, minor)

    def path(self, path: str, /, **fields: str) -> str:
        """A path with its version, and those fields as its query that are not empty."""
        return self.engine.path(path, **fields)

    def get(self, path: str, read: Callable[[Any], T], /, **fields: str) -> T:
        """What `read` makes of an answer."""
        return self.shaped(self.connections.call("GET", self.path(path, **fields)), read)

    def post(
        self, path: str, content: object = None, /, *, within: float | None = PATIENCE, **fields: str
    ) -> Any:
        """The answer to a request that changes something."""
        return self.connections.call("POST", self.path(path, **fields), content, within=within)

    def delete(self, path: str, /, **fields: str) -> None:
        """A request to remove something, which may take long."""
        self.connections.call("DELETE", self.path(path, **fields), within=SLOW)

    def shaped(self, answer: Any, read: Callable[[Any], T]) -> T:
        """What `read` makes of an answer. Raises Unreachable where that has no shape that an engine sends."""
        return self.engine.shaped(read, answer)


def checked_name(name: str, what: str) -> str:
    """`name` if it can stand in a path. Raises BadValue, which says what it should be the name of."""
    if not _NAME.fullmatch(name):
        raise BadValue(
            f"{one_line(name)!r} cannot be the name of a {what}.",
            hint="It is made of letters, digits, `_`, `.` and `-`.",
        )
    return name


def filters(**chosen: Sequence[str]) -> str:
    """Filters as the engine takes them, those without a value left out; empty if there is none."""
    given = {name: list(values) for name, values in chosen.items() if values}
    return json.dumps(given) if given else ""


def labels_of(known: Mapping[str, Any], key: str = "Labels") -> dict[str, str]:
    """The texts by name under `key`; what is none is left out."""
    value = known.get(key)
    pairs = value.items() if isinstance(value, dict) else ()
    return {name: text for name, text in pairs if isinstance(text, str)}


def texts_of(known: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The list of texts under `key`, as they are; what is none is left out."""
    value = known.get(key)
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()


def object_of(known: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object under `key`; empty where there is none."""
    value = known.get(key)
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; None is an empty one. Raises WrongShape."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise WrongShape("no list of objects")
    return value


def have_labels(labels: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Whether all of `wanted`, each `name` or `name=value`, are among the labels."""
    return all(
        name in labels and (not separator or labels[name] == value)
        for name, separator, value in (word.partition("=") for word in wanted)
    )

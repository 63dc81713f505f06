"""Requests to an engine's API, as containers, images, networks, volumes and builds need them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from resin_toolkit.engine.engine import Engine
from resin_toolkit.engine.models import NAME
from resin_toolkit.engine.transport.connection_pool import CHANGE
from resin_toolkit.errors import BadValue
from resin_toolkit.untrusted_json import one_line

T = TypeVar("T")
SLOW = 300.0
"""Seconds for what takes long on a board with a worn card: copying a volume, removing a container. Meanwhile
the engine must answer other requests."""


class ApiClient:
    """Requests to one engine. All methods are thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.connections = engine.connections
        self.host = engine.host

    def supports(self, major: int, minor: int) -> bool:
        """Whether the engine supports this version of the API."""
        return self.engine.supports(major, minor)

    def path(self, path: str, /, **fields: str) -> str:
        """`path` with the API version, and the non-empty `fields` as its query."""
        return self.engine.path(path, **fields)

    def get(self, path: str, read: Callable[[Any], T], /, **fields: str) -> T:
        """Send a GET request, and parse the answer with `read`."""
        return self.parse(self.connections.call("GET", self.path(path, **fields)), read)

    def post(
        self, path: str, content: object = None, /, *, within: float | None = CHANGE, **fields: str
    ) -> Any:
        """Send a POST request with `content` as JSON, and return the JSON of the answer."""
        return self.connections.call("POST", self.path(path, **fields), content, within=within)

    def delete(self, path: str, /, **fields: str) -> None:
        """Send a DELETE request."""
        self.connections.call("DELETE", self.path(path, **fields), within=SLOW)

    def parse(self, answer: Any, read: Callable[[Any], T]) -> T:
        """Parse an answer with `read`. Raises Unreachable if it has a shape that no engine sends."""
        return self.engine.parse(answer, read)


def checked_name(name: str, kind: str) -> str:
    """`name` if it is safe in a path. Raises BadValue, which calls it the name of a `kind`."""
    if not NAME.fullmatch(name):
        raise BadValue(
            f"{one_line(name)!r} is not a valid {kind} name.",
            hint="Names consist of letters, digits, `_`, `.` and `-`.",
        )
    return name


def filters(**chosen: Sequence[str]) -> str:
    """The `filters` field of a query; empty if no filter has a value."""
    given = {name: list(values) for name, values in chosen.items() if values}
    return json.dumps(given) if given else ""


def has_labels(labels: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Whether `labels` include all of `wanted`, each `name` or `name=value`."""
    return all(
        name in labels and (not separator or labels[name] == value)
        for name, separator, value in (word.partition("=") for word in wanted)
    )

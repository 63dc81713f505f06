"""A device's engine, connected: what it knows, its containers, their logs, commands in them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.engine.container_exec import ExecSession
from resin_toolkit.engine.models import (
    Container,
    ContainerDetails,
    EngineFacts,
    WrongShape,
    as_object,
    containers_of,
    details_of,
    facts_of,
    one_line,
    text,
)
from resin_toolkit.engine.transport.connection_pool import ConnectionPool, strange_answer
from resin_toolkit.engine.transport.http import with_query
from resin_toolkit.engine.transport.raw_stream import RawStream
from resin_toolkit.engine.version_negotiation import NegotiatedVersion, version_of
from resin_toolkit.errors import ServiceNotFound

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""What the engine takes for a container's name; an ID is one of these, too."""


class Engine:
    """The engine of a device. Every method may be called from any thread, several at once.

    All raise Unreachable where the connection breaks, EngineFailed where the engine refuses, and
    ServiceNotFound where it has no such container.
    """

    def __init__(self, connections: ConnectionPool, negotiated: NegotiatedVersion, *, within: float) -> None:
        self.connections = connections
        self.api_version = negotiated.api_version
        """The version of the Docker Engine API that is spoken: `1.41`."""
        self.facts: EngineFacts = self.shaped(
            lambda info: facts_of(negotiated.said, info), self._get("/info", within=within)
        )

    @property
    def host(self) -> str:
        """What the device is called."""
        return self.connections.host

    @property
    def access_method(self) -> AccessMethod:
        """How it was reached."""
        return self.connections.transport.access_method

    @property
    def place(self) -> str:
        """Where it was reached, as other tools take it for DOCKER_HOST: `tcp://192.168.1.7:2377`."""
        return self.connections.transport.url

    def time(self) -> str:
        """The engine's own clock now, RFC 3339 to the nanosecond; empty where it does not say."""
        return self.shaped(lambda info: text(as_object(info), "SystemTime"), self._get("/info"))

    def containers(self, *, all: bool = False) -> list[Container]:
        """Its containers: those that run, or all."""
        return self.shaped(containers_of, self._get("/containers/json", all="1" if all else ""))

    def inspect(self, container: str) -> ContainerDetails:
        """What it knows of one container, by its ID or name."""
        return self.shaped(details_of, self._get(f"/containers/{self._named(container)}/json"))

    def logs(
        self,
        container: str,
        *,
        since: str = "",
        until: str = "",
        tail: str = "all",
        follow: bool = False,
        timestamps: bool = True,
    ) -> RawStream:
        """Both outputs of a container: in frames, or as they are where it has a terminal.

        `since` and `until` are seconds since 1970, with nanoseconds `1700000000.000000001`, and inclusive.
        Below API 1.24 `since` counts in whole seconds, so that lines of that second come which are older;
        below 1.35 there is no `until`. What comes too much the caller leaves out. A log that is followed ends
        with its container, with engine 20.10 without its last line where that has no line end: it is there
        when the log is asked for again.
        """
        # Docker 1.10 takes `since` for a whole number and refuses any other.
        sent = since if self.speaks(1, 24) else since.partition(".")[0]
        path = self.path(
            f"/containers/{self._named(container)}/logs",
            stdout="1",
            stderr="1",
            follow="1" if follow else "",
            timestamps="1" if timestamps else "",
            tail=tail,
            since=sent,
            until=until if self.speaks(1, 35) else "",
        )
        return self._stream(path)

    def events(
        self, *, since: str = "", until: str = "", filters: Mapping[str, Sequence[str]] | None = None
    ) -> RawStream:
        """What happens to its containers from now on, or since then, up to `until`: JSON objects, one after
        the other. `filters` is as in `{"type": ["container"], "event": ["start"]}`.
        """
        chosen = json.dumps({name: list(values) for name, values in filters.items()}) if filters else ""
        return self._stream(self.path("/events", since=since, until=until, filters=chosen))

    def exec(
        self,
        container: str,
        command: Sequence[str],
        *,
        tty: bool = False,
        environment: Mapping[str, str] | None = None,
        user: str = "",
    ) -> ExecSession:
        """Run a command in a container that runs, with its input open; `tty` gives it a terminal.

        Also raises EngineFailed where the container has no such program; with some engines it is found only
        afterwards, by exit code 126 or 127.
        """
        content: dict[str, Any] = {
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": tty,
            "Cmd": [*self._environment(environment), *command],
            "User": user,
        }
        if environment and self.speaks(1, 25):
            content["Env"] = [f"{name}={value}" for name, value in environment.items()]
        made = self.connections.call("POST", self.path(f"/containers/{self._named(container)}/exec"), content)
        identity = self.shaped(lambda answer: text(as_object(answer), "Id"), made)
        path = f"/v{self.api_version}/exec/{self._named(identity)}"
        wire, response = self.connections.upgraded(f"{path}/start", {"Detach": False, "Tty": tty})
        return ExecSession(self.connections, path, wire, response, tty=tty)

    def speaks(self, major: int, minor: int) -> bool:
        """Whether the engine has what came with that version of the API."""
        return version_of(self.api_version) >= (major, minor)

    def path(self, path: str, /, **fields: str) -> str:
        """`path` with the API version, and the non-empty `fields` as its query."""
        return with_query(f"/v{self.api_version}{path}", **fields)

    def shaped(self, read: Callable[[Any], T], answer: Any) -> T:
        """Parse an answer with `read`. Raises Unreachable if it has a shape that no engine sends."""
        try:
            return read(answer)
        except WrongShape as error:
            raise strange_answer(self.host) from error

    def close(self) -> None:
        """End the connection. Streams and sessions that are open are closed by themselves."""
        self.connections.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _environment(self, environment: Mapping[str, str] | None) -> list[str]:
        """What stands before the command where the engine takes no environment for it (below API 1.25)."""
        if not environment or self.speaks(1, 25):
            return []
        return ["env", *(f"{name}={value}" for name, value in environment.items())]

    def _named(self, container: str) -> str:
        """The ID or name of a container, as it stands in a path."""
        if not _NAME.fullmatch(container):
            raise ServiceNotFound(
                f"{self.host}: no such container: {one_line(container)}.",
                hint="`resin ps --all` lists what is there.",
            )
        return container

    def _get(self, path: str, *, within: float | None = None, **fields: str) -> Any:
        limits = {} if within is None else {"within": within}
        return self.connections.call("GET", self.path(path, **fields), **limits)

    def _stream(self, path: str) -> RawStream:
        wire, response = self.connections.stream(path)
        return RawStream(self.host, wire, response)

"""A connected engine: its facts, containers, logs and events, and commands in its containers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.engine.container_exec import ExecSession
from resin_toolkit.engine.error_responses import no_such_container, unexpected_answer
from resin_toolkit.engine.models import (
    NAME,
    Container,
    ContainerDetails,
    EngineFacts,
    containers_of,
    details_of,
    facts_of,
)
from resin_toolkit.engine.timestamps import is_stamp
from resin_toolkit.engine.transport.connection_pool import CHANGE, PATIENCE, ConnectionPool
from resin_toolkit.engine.transport.http import with_query
from resin_toolkit.engine.transport.raw_stream import RawStream
from resin_toolkit.engine.version_negotiation import NegotiatedVersion, parse_version
from resin_toolkit.untrusted_json import WrongShape, as_object, one_line, text

T = TypeVar("T")


class Engine:
    """The engine of a device. All methods are thread-safe.

    They raise Unreachable if the connection is lost, EngineFailed if the engine reports an error, and
    ServiceNotFound if there is no such container.
    """

    def __init__(self, connections: ConnectionPool, negotiated: NegotiatedVersion, *, within: float) -> None:
        self.connections = connections
        self.api_version = negotiated.api_version
        """The version of the Docker Engine API in use: `1.41`."""
        self.facts: EngineFacts = self.parse(
            self._get("/info", within=within), lambda info: facts_of(negotiated.answer, info)
        )

    @property
    def host(self) -> str:
        """The name of the device."""
        return self.connections.host

    @property
    def access_method(self) -> AccessMethod:
        """How it was reached."""
        return self.connections.transport.access_method

    @property
    def url(self) -> str:
        """Its address as in DOCKER_HOST: `tcp://192.168.1.7:2377`."""
        return self.connections.transport.url

    def time(self) -> str:
        """The current time of the engine's clock, in RFC 3339 with nanoseconds; empty if it is unknown."""
        known = self.parse(self._get("/info"), lambda info: text(as_object(info), "SystemTime"))
        return known if is_stamp(known) else ""

    def containers(self, *, all: bool = False) -> list[Container]:
        """The running containers, or all."""
        return self.parse(self._get("/containers/json", all="1" if all else ""), containers_of)

    def inspect(self, container: str) -> ContainerDetails:
        """The details of a container, by ID or name."""
        return self.parse(self._get(self.container_path(container, "json")), details_of)

    def logs(
        self,
        container: str,
        *,
        since: str = "",
        until: str = "",
        tail: str = "all",
        follow: bool = False,
        timestamps: bool = True,
        silence: float | None = None,
    ) -> RawStream:
        """Stream stdout and stderr of a container: in frames, or unframed if it has a terminal.

        `since` and `until` are seconds since 1970, with nanoseconds as in `1700000000.000000001`, and
        inclusive. Below API 1.24 `since` is rounded down to a second, and below 1.35 `until` is ignored: the
        caller has to drop the lines outside. A log that is followed ends with its container; engine 20.10
        leaves out the last line then if it has no line feed, but sends it when the log is read again.
        `silence` is how many seconds the engine may send nothing.
        """
        # Docker 1.10 parses `since` as an integer and rejects anything else.
        since = since if self.supports(1, 24) else since.partition(".")[0]
        path = self.path(
            self.container_path(container, "logs"),
            stdout="1",
            stderr="1",
            follow="1" if follow else "",
            timestamps="1" if timestamps else "",
            tail=tail,
            since=since,
            until=until if self.supports(1, 35) else "",
        )
        return self.connections.stream(path, within=silence or CHANGE, silence=silence)

    def events(
        self, *, since: str = "", until: str = "", filters: Mapping[str, Sequence[str]] | None = None
    ) -> RawStream:
        """Stream the engine's events as JSON objects, from now on or from `since`, up to `until`.

        `filters` are as in `{"type": ["container"], "event": ["start"]}`.
        """
        chosen = json.dumps({name: list(values) for name, values in filters.items()}) if filters else ""
        return self.connections.stream(self.path("/events", since=since, until=until, filters=chosen))

    def exec(
        self,
        container: str,
        command: Sequence[str],
        *,
        tty: bool = False,
        environment: Mapping[str, str] | None = None,
        user: str = "",
    ) -> ExecSession:
        """Run a command in a running container, with stdin attached; `tty` gives it a terminal.

        Raises EngineFailed if the container has no such program; with some engines this shows only later, by
        exit code 126 or 127.
        """
        content: dict[str, Any] = {
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": tty,
            "Cmd": [*self._env_command(environment), *command],
            "User": user,
        }
        if environment and self.supports(1, 25):
            content["Env"] = [f"{name}={value}" for name, value in environment.items()]
        created = self.connections.call("POST", self.path(self.container_path(container, "exec")), content)
        identity = self.parse(created, _exec_id)
        path = self.path(f"/exec/{identity}")
        connection, response = self.connections.upgrade(f"{path}/start", {"Detach": False, "Tty": tty})
        return ExecSession(self.connections, path, connection, response, tty=tty)

    def supports(self, major: int, minor: int) -> bool:
        """Whether the engine supports this version of the API."""
        return parse_version(self.api_version) >= (major, minor)

    def path(self, path: str, /, **fields: str) -> str:
        """`path` with the API version, and the non-empty `fields` as its query."""
        return with_query(f"/v{self.api_version}{path}", **fields)

    def container_path(self, container: str, action: str = "") -> str:
        """The path of a container, by ID or name, or of an action on it; without the API version.

        Raises ServiceNotFound if no container can have that name.
        """
        if not NAME.fullmatch(container):
            raise no_such_container(self.host, f"no such container: {one_line(container)}")
        return f"/containers/{container}/{action}" if action else f"/containers/{container}"

    def parse(self, answer: Any, read: Callable[[Any], T]) -> T:
        """Parse an answer with `read`. Raises Unreachable if it has a shape that no engine sends."""
        try:
            return read(answer)
        except WrongShape as error:
            raise unexpected_answer(self.host) from error

    def close(self) -> None:
        """Close the connection. Open streams and sessions have to be closed separately."""
        self.connections.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _env_command(self, environment: Mapping[str, str] | None) -> list[str]:
        """The program that sets the environment if the engine cannot (below API 1.25)."""
        if not environment or self.supports(1, 25):
            return []
        return ["env", *(f"{name}={value}" for name, value in environment.items())]

    def _get(self, path: str, *, within: float = PATIENCE, **fields: str) -> Any:
        return self.connections.call("GET", self.path(path, **fields), within=within)


def _exec_id(answer: Any) -> str:
    identity = text(as_object(answer), "Id")
    if not NAME.fullmatch(identity):
        raise WrongShape("a command without an ID")
    return identity

"""The ways to an engine: each opens connections to it, as many as are asked for, at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.ip_addresses import url_host
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
from resin_toolkit.tcp import PATIENCE, Endpoint, connect_any, keep_alive


class EngineTransport(Protocol):
    """A way to one engine."""

    @property
    def access_method(self) -> AccessMethod: ...

    @property
    def url(self) -> str:
        """What other tools take as DOCKER_HOST."""

    def open(self) -> DeadlineSocket:
        """A new connection to the engine. Raises a ResinError that says why there is none."""

    def open_lasting(self) -> DeadlineSocket:
        """The same; what has come to the engine on it is carried out even if this side is gone by then."""

    def close(self) -> None:
        """End the way itself, where it is something that is held open."""


@dataclass(frozen=True)
class TcpTransport:
    """The engine's own port."""

    host: str
    place: Endpoint
    access_method: AccessMethod = AccessMethod.TCP

    @property
    def url(self) -> str:
        # RFC 6874 writes the percent sign before a zone as %25, and docker takes a URL apart twice.
        return f"tcp://{url_host(self.place.address).replace('%', '%2525')}:{self.place.port}"

    def open(self) -> DeadlineSocket:
        connection, _ = connect_any(self.host, [self.place], within=PATIENCE)
        keep_alive(connection)
        return DeadlineSocket(connection)

    def open_lasting(self) -> DeadlineSocket:
        return self.open()

    def close(self) -> None:
        pass

"""How connections to an engine are opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.device.ip_addresses import url_host
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
from resin_toolkit.tcp import PATIENCE, Endpoint, connect_any, keep_alive


class EngineTransport(Protocol):
    """Opens connections to one engine, any number at the same time."""

    @property
    def access_method(self) -> AccessMethod: ...

    @property
    def url(self) -> str:
        """The engine's address as in DOCKER_HOST."""

    def open(self) -> DeadlineSocket:
        """Open a connection. Raises Unreachable or another ResinError."""

    def open_durable(self) -> DeadlineSocket:
        """Open a connection whose requests the engine carries out even if this side disappears."""

    def close(self) -> None:
        """Close what the connections share."""


@dataclass(frozen=True)
class TcpTransport:
    """Connects to the engine's own port."""

    host: str
    endpoint: Endpoint
    access_method: AccessMethod = AccessMethod.TCP

    @property
    def url(self) -> str:
        # RFC 6874 writes the percent sign of a zone as %25, and docker parses a URL twice.
        return f"tcp://{url_host(self.endpoint.address).replace('%', '%2525')}:{self.endpoint.port}"

    def open(self) -> DeadlineSocket:
        connection, _ = connect_any(self.host, [self.endpoint], within=PATIENCE)
        keep_alive(connection)
        return DeadlineSocket(connection)

    def open_durable(self) -> DeadlineSocket:
        return self.open()

    def close(self) -> None:
        pass

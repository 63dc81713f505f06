"""Several requests sent at once, which an engine carries out in order even if the connection is lost.

They are sent on a connection of their own (HTTP/1.1 pipelining, RFC 9112, section 9.3.2), so that no lost
connection falls between two of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from resin_toolkit.engine.error_responses import refusal
from resin_toolkit.engine.transport.connection_pool import ConnectionPool
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.transport.http import NETWORK_ERRORS, deadline_in, read_body, receive, send
from resin_toolkit.errors import ResinError

_LIMIT = 1024 * 1024
# From Docker 23 on an engine cancels a request when it sees that the client has closed the connection. It
# looks for that behind what it has read, 4 KiB at a time, so an incomplete request follows the last one.
_INCOMPLETE_REQUEST = b"GET /_ping HTTP/1.1\r\nHost: engine\r\nX-Padding: " + b"-" * 16384


@dataclass(frozen=True)
class Request:
    """A request. `path` is quoted and has no API version: `/containers/x/stop?t=5`."""

    method: str
    path: str
    content: Mapping[str, object] | None = None
    within: float = 60.0
    """Seconds within which the engine has to answer it."""


@dataclass
class _Buffer:
    """Collects what `send` writes."""

    data: bytearray = field(default_factory=bytearray)

    def sendall(self, data: bytes) -> None:
        self.data += data


def send_batch(
    connections: ConnectionPool, version: str, requests: Sequence[Request]
) -> list[ResinError | None]:
    """Send all requests at once; return for each, in order, None or the engine's error.

    Raises Unreachable if an answer is missing; the requests may have been carried out nevertheless.
    """
    if not requests:
        return []
    buffer = _Buffer()
    for request in requests:
        send(cast(DeadlineSocket, buffer), request.method, f"/v{version}{request.path}", request.content)
    connection = connections.transport.open_durable()
    answers: list[ResinError | None] = []
    try:
        connection.deadline = deadline_in(sum(request.within for request in requests))
        connection.check = connections.ping
        connection.sendall(bytes(buffer.data) + _INCOMPLETE_REQUEST)
        # The reader of one answer must not buffer the next one.
        connection.buffer_size = 1
        for request in requests:
            answers.append(_receive_answer(connections.host, connection, request.method))
    except NETWORK_ERRORS as error:
        raise connection_lost(connections.host, error) from error
    finally:
        connection.close()
    return answers


def _receive_answer(host: str, connection: DeadlineSocket, method: str) -> ResinError | None:
    response = receive(connection, method)
    try:
        body = read_body(connection, response, _LIMIT)
    finally:
        response.close()
    return refusal(host, response.status, body) if response.status >= 400 else None

"""Several requests to an engine that it carries out one after the other, whatever becomes of who sent them.

They leave together, on a connection of their own (HTTP/1.1 pipelining, RFC 9112, section 9.3.2): once the
engine has them, a link that is cut between two of them keeps it from none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from resin_toolkit.engine.error_responses import refusal
from resin_toolkit.engine.transport.connection_pool import ConnectionPool
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.transport.http import NETWORK_ERRORS, later, receive, send
from resin_toolkit.errors import ResinError

_LIMIT = 1024 * 1024
# Engines from Docker 23 on give up what they are doing when they see the end of what is sent to them. They
# look for it behind what they have read, 4 KiB at a time: so more of a request follows that is never whole.
_MORE = b"GET /_ping HTTP/1.1\r\nHost: engine\r\nX-Goes-On: " + b"-" * 16384


@dataclass(frozen=True)
class Request:
    """One of them. `path` is that after the version, quoted: `/containers/x/stop?t=5`."""

    method: str
    path: str
    content: Mapping[str, object] | None = None
    within: float = 60.0
    """Seconds that the engine has for it."""


@dataclass
class _Collected:
    """Takes what would be sent."""

    data: bytearray = field(default_factory=bytearray)

    def sendall(self, data: bytes) -> None:
        self.data += data


def send_batch(
    connections: ConnectionPool, version: str, requests: Sequence[Request]
) -> list[ResinError | None]:
    """Send all at once; for each, in order, None or what the engine refused it with.

    Raises Unreachable where the answers do not come; whether it did what it was asked is then not known.
    """
    if not requests:
        return []
    collected = _Collected()
    for request in requests:
        send(cast(DeadlineSocket, collected), request.method, f"/v{version}{request.path}", request.content)
    wire = connections.transport.open_lasting()
    answers: list[ResinError | None] = []
    try:
        wire.deadline = later(sum(request.within for request in requests))
        wire.sendall(bytes(collected.data) + _MORE)
        # Answers that came together must not be read ahead into the buffer of the first.
        wire.buffer_size = 1
        for request in requests:
            answers.append(_answer(connections.host, wire, request.method))
    except NETWORK_ERRORS as error:
        raise connection_lost(connections.host, error) from error
    finally:
        wire.close()
    return answers


def _answer(host: str, wire: DeadlineSocket, method: str) -> ResinError | None:
    response = receive(wire, method)
    try:
        wire.budget = _LIMIT
        body = response.read()
    finally:
        response.close()
    return refusal(host, response.status, body) if response.status >= 400 else None

"""An engine whose connections are lost at chosen requests, and which refuses connections for a while then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from resin_toolkit.device.address import AccessMethod
from resin_toolkit.engine import Engine
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket
from resin_toolkit.engine.transport.transports import EngineTransport
from resin_toolkit.errors import Unreachable


@dataclass
class Outage:
    """`at` says of a request, by its number from 1 and its text, whether the connections are lost there.

    With `is_heard` the engine still receives that request. `begin` and `end` are called when the connections
    are lost and when the last of `refusals` connections has been refused.
    """

    at: Callable[[int, str], bool]
    is_heard: bool = False
    refusals: int = 2
    begin: Callable[[], object] = bool
    end: Callable[[], object] = bool
    requests: list[str] = field(default_factory=list)
    hits: int = 0


class InterruptedTransport:
    """The transport of `engine` with an outage."""

    access_method = AccessMethod.TCP

    def __init__(self, transport: EngineTransport, outage: Outage) -> None:
        self._transport = transport
        self._outage = outage
        self._refusals = 0
        self._open: list[DeadlineSocket] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self._transport.url

    def open(self) -> DeadlineSocket:
        with self._lock:
            if self._refusals:
                self._refusals -= 1
                if not self._refusals:
                    self._outage.end()
                raise Unreachable("The connection is refused.", cause="refused")
            inner = self._transport.open()
            self._open.append(inner)
        return DeadlineSocket(_InterruptedStream(self, inner))

    open_durable = open

    def close(self) -> None:
        self._transport.close()

    def send(self, inner: DeadlineSocket, data: bytes) -> None:
        outage = self._outage
        with self._lock:
            outage.requests.append(data.decode(errors="replace"))
            if not outage.at(len(outage.requests), outage.requests[-1]):
                inner.sendall(data)
                return
            outage.hits += 1
            if outage.is_heard:
                inner.sendall(data)
            outage.begin()
            self._refusals = outage.refusals
            for each in self._open:
                with suppress(OSError):
                    each.abort()
            self._open.clear()
        if not outage.is_heard:
            raise ConnectionResetError("reset")


class _InterruptedStream:
    def __init__(self, transport: InterruptedTransport, inner: DeadlineSocket) -> None:
        self._transport = transport
        self._inner = inner
        self.recv = inner.recv
        self.settimeout = inner.settimeout
        self.shutdown = inner.shutdown
        self.close = inner.close
        self.fileno = inner.fileno

    def sendall(self, data: bytes) -> None:
        self._transport.send(self._inner, data)


def interrupt(engine: Engine, outage: Outage) -> None:
    """Let the outage hit an engine that is connected."""
    engine.connections.close_idle()
    engine.connections.transport = InterruptedTransport(engine.connections.transport, outage)

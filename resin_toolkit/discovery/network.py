"""Multicast DNS on all interfaces of this machine at once."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from types import TracebackType
from typing import Self

from resin_toolkit.discovery.interfaces import LocalAddress, LocalNetworks, local_addresses, local_networks
from resin_toolkit.discovery.sockets import Datagram, MulticastSocket

_REFRESH_INTERVAL = 1.0
"""Seconds between two scans for interfaces."""


class Network:
    """A multicast socket for each local address, open until `close`; also a context manager."""

    def __init__(self) -> None:
        self._sockets: dict[LocalAddress, MulticastSocket] = {}
        self._failures: dict[LocalAddress, OSError] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        for end in (self._wake_reader, self._wake_writer):
            end.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._refreshed = 0.0
        self.local = LocalNetworks()
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def searched(self) -> tuple[LocalAddress, ...]:
        """The addresses from which the last query was sent."""
        return tuple(origin for origin, multicast in self._sockets.items() if multicast.failure is None)

    @property
    def failures(self) -> dict[LocalAddress, str]:
        """The addresses from which it could not be sent, each with the reason."""
        failed = {
            o: multicast.failure for o, multicast in self._sockets.items() if multicast.failure is not None
        }
        return {o: (e.strerror or str(e)).lower() for o, e in {**self._failures, **failed}.items()}

    def refresh(self) -> tuple[set[LocalAddress], set[LocalAddress]]:
        """Follow changes of the interfaces, at most once a second; return the added and removed addresses."""
        now = time.monotonic()
        if self._refreshed and now - self._refreshed < _REFRESH_INTERVAL:
            return set(), set()
        self._refreshed = now
        self.local = local_networks()
        present = set(local_addresses())
        removed = self._sockets.keys() - present
        for origin in removed:
            self._close(self._sockets.pop(origin))
        self._failures = {origin: error for origin, error in self._failures.items() if origin in present}
        added = present - self._sockets.keys()
        return {origin for origin in added if self._open(origin)}, removed

    def send(self, message: bytes, *, origins: set[LocalAddress] | None = None) -> None:
        """Send a query from all addresses, or from `origins`."""
        for origin, multicast in self._sockets.items():
            if origins is None or origin in origins:
                multicast.send(message)

    def receive(self, until: float) -> list[Datagram]:
        """Wait for messages until `until` (of time.monotonic), or until `wake` is called."""
        received = []
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_reader.fileno(), 4096)
                continue
            assert isinstance(key.fileobj, socket.socket)
            datagram = key.data.receive(key.fileobj)
            if datagram is not None:
                received.append(datagram)
        return received

    def wake(self) -> None:
        """End a `receive`, from another thread."""
        # A full pipe has already ended it; a closed one belongs to a network that was closed.
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def close(self) -> None:
        for multicast in self._sockets.values():
            multicast.close()
        self._sockets.clear()
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _open(self, origin: LocalAddress) -> bool:
        try:
            multicast = MulticastSocket(origin)
        except OSError as error:
            self._failures[origin] = error
            return False
        self._failures.pop(origin, None)
        self._sockets[origin] = multicast
        for each in multicast.sockets:
            self._selector.register(each, selectors.EVENT_READ, multicast)
        return True

    def _close(self, multicast: MulticastSocket) -> None:
        for each in multicast.sockets:
            self._selector.unregister(each)
        multicast.close()

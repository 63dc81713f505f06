"""All links of this machine at once: questions go out on each, answers are waited for on all."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from types import TracebackType
from typing import Self

from resin_toolkit.discovery.interfaces import LocalAddress, local_addresses
from resin_toolkit.discovery.sockets import Datagram, MulticastSocket

_REFRESHED_EVERY = 1.0
"""Seconds between two looks at which interfaces there are."""


class Network:
    """The links that are up; open until `close`, or as a context."""

    def __init__(self) -> None:
        self._links: dict[LocalAddress, MulticastSocket] = {}
        self._failures: dict[LocalAddress, OSError] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._refreshed = 0.0
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def searched(self) -> tuple[LocalAddress, ...]:
        """Where questions could be sent from, when that was last tried."""
        return tuple(origin for origin, link in self._links.items() if link.failure is None)

    @property
    def failures(self) -> dict[LocalAddress, str]:
        """Where they could not, and why."""
        failed = {o: link.failure for o, link in self._links.items() if link.failure is not None}
        return {o: (e.strerror or str(e)).lower() for o, e in {**self._failures, **failed}.items()}

    def refresh(self) -> tuple[set[LocalAddress], set[LocalAddress]]:
        """Open links on interfaces that have come, close those that have gone; both, as they were found.

        Looks again only after a second has passed.
        """
        now = time.monotonic()
        if self._refreshed and now - self._refreshed < _REFRESHED_EVERY:
            return set(), set()
        self._refreshed = now
        present = set(local_addresses())
        gone = self._links.keys() - present
        for origin in gone:
            self._close(self._links.pop(origin))
        self._failures = {origin: why for origin, why in self._failures.items() if origin in present}
        come = present - self._links.keys()
        return {origin for origin in come if self._open(origin)}, gone

    def ask(self, message: bytes, *, of: set[LocalAddress] | None = None) -> None:
        """Send a question on all links, or on those that are named."""
        for origin, link in self._links.items():
            if of is None or origin in of:
                link.ask(message)

    def wait(self, until: float) -> list[Datagram]:
        """What has come in, as soon as something has, or at `until` (of time.monotonic); also when woken."""
        received = []
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken.fileno(), 4096)
                continue
            assert isinstance(key.fileobj, socket.socket)
            datagram = key.data.receive(key.fileobj)
            if datagram is not None:
                received.append(datagram)
        return received

    def wake(self) -> None:
        """End a `wait`, from another thread."""
        # A full pipe has woken it already, a closed one wakes nobody any more.
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def close(self) -> None:
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._selector.close()
        self._woken.close()
        self._waker.close()

    def _open(self, origin: LocalAddress) -> bool:
        try:
            link = MulticastSocket(origin)
        except OSError as error:
            self._failures[origin] = error
            return False
        self._failures.pop(origin, None)
        self._links[origin] = link
        for each in link.sockets:
            self._selector.register(each, selectors.EVENT_READ, link)
        return True

    def _close(self, link: MulticastSocket) -> None:
        for each in link.sockets:
            self._selector.unregister(each)
        link.close()

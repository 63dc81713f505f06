"""Bytes as they come from a connection, read in large pieces and taken in small ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ROOM = 1 << 19
"""Bytes read at once at most; more than the longest packet."""


class Incoming:
    """What was received and is not taken yet.

    `idle` is called each time that nothing came for as long as the connection's timeout says; what it raises
    goes to whoever waits. It hears whether a packet is begun.
    """

    def __init__(self, connection: Any, received: bytes, idle: Callable[[bool], None]) -> None:
        self._receive_into = connection.recv_into
        self._idle = idle
        self._room = bytearray(_ROOM)
        self._view = memoryview(self._room)
        self._room[: len(received)] = received
        self._start, self._end = 0, len(received)
        self.received = 0
        """How often anything came."""

    def peek(self, size: int) -> memoryview:
        """The next bytes, which stay. Raises EOFError, OSError and what `idle` raises."""
        self._wait_for(size)
        return self._view[self._start : self._start + size]

    def take(self, size: int) -> memoryview:
        """The next bytes, as good until the next call."""
        self._wait_for(size)
        taken = self._view[self._start : self._start + size]
        self._start += size
        return taken

    def _wait_for(self, size: int) -> None:
        while self._end - self._start < size:
            if self._start == self._end:
                self._start = self._end = 0
            elif self._start + size > _ROOM:
                left = self._room[self._start : self._end]
                self._view[: len(left)] = left
                self._start, self._end = 0, len(left)
            self._receive()

    def _receive(self) -> None:
        while True:
            try:
                size = self._receive_into(self._view[self._end :])
            except TimeoutError:
                self._idle(self._end > self._start)
                continue
            if not size:
                raise EOFError
            self._end += size
            self.received += 1
            return

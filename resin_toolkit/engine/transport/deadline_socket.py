"""A connection to an engine, as Python's HTTP code wants its socket, with bounds on time and on size.

What carries it is a TCP socket or a channel of an SSH connection.
"""

from __future__ import annotations

import io
import socket
import time
from contextlib import suppress
from typing import Any, Protocol

from resin_toolkit.errors import ResinError, Unreachable
from resin_toolkit.tcp import DEAD_AFTER, set_tcp_option

REMEMBERED = 32
"""How many of the first bytes are kept, to tell what it was that answered."""
_STALL = 60_000
"""Milliseconds for which a board may take none of what is sent: it writes to a worn card."""


class Stream(Protocol):
    """What carries bytes both ways: a socket, or a channel that behaves like one."""

    def recv(self, size: int, /) -> bytes: ...

    def sendall(self, data: bytes, /) -> object: ...

    def settimeout(self, seconds: float | None, /) -> object: ...

    def shutdown(self, how: int, /) -> object: ...

    def close(self) -> object: ...

    def fileno(self) -> int: ...


class TooMuch(OSError):
    """More came than any engine would say."""


class DeadlineSocket:
    """A stream that counts and times what comes; `close` waits for the readers that `makefile` has given."""

    def __init__(self, stream: Stream) -> None:
        self.deadline: float | None = None
        """The time.monotonic() after which a read or write raises TimeoutError; None is never."""
        self.budget: int | None = None
        """How many more bytes may come before a read raises TooMuch; None is any number."""
        self.buffer_size = 65536
        """How much a reader may take at once; at 1 none takes more than it was asked for."""
        self.first = b""
        """The first bytes that came."""
        self._stream = stream
        self._timeout: float | None = None
        self._readers = 0
        self._closed = False

    def recv(self, size: int) -> bytes:
        if self.deadline is not None:
            self._stream.settimeout(self._left())
        data = self._stream.recv(size)
        if len(self.first) < REMEMBERED:
            self.first += data[: REMEMBERED - len(self.first)]
        if self.budget is not None:
            self.budget -= len(data)
            if self.budget < 0:
                raise TooMuch("it sends without an end")
        return data

    def sendall(self, data: bytes) -> None:
        if self.deadline is not None:
            self._stream.settimeout(self._left())
        self._stream.sendall(data)

    def settimeout(self, seconds: float | None) -> None:
        """How long a single read or write may wait where there is no deadline."""
        self._timeout = seconds
        self.deadline = None
        self._stream.settimeout(seconds)

    def unlimited(self) -> None:
        """From now on a read may wait for ever, and any number of bytes may come."""
        self.budget = None
        self.settimeout(None)

    def may_stall(self, yes: bool) -> None:
        """Whether the far side may take nothing for a minute: the system counts that as silence (tcp(7))."""
        stream = self._stream
        if isinstance(stream, socket.socket) and stream.family in (socket.AF_INET, socket.AF_INET6):
            set_tcp_option(stream, "TCP_USER_TIMEOUT", _STALL if yes else DEAD_AFTER)

    def is_idle(self) -> bool:
        """Whether the far side has neither said anything nor ended the connection."""
        try:
            self._stream.settimeout(0.0)
            self._stream.recv(1)
        except (BlockingIOError, TimeoutError):
            self._stream.settimeout(self._timeout)
            return True
        except OSError:
            return False
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedReader:  # noqa: ARG002
        self._readers += 1
        return io.BufferedReader(_Incoming(self), self.buffer_size)

    def shutdown(self, how: int) -> None:
        self._stream.shutdown(how)

    def abort(self) -> None:
        """End what a read in another thread waits for."""
        # Where the far side has ended it already, there is nothing to do.
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        if not isinstance(self._stream, socket.socket):
            # A channel wakes its reader only when it is closed.
            self._stream.close()

    def close(self) -> None:
        self._closed = True
        self._close_if_unused()

    def reader_closed(self) -> None:
        self._readers -= 1
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._closed and not self._readers:
            self._stream.close()

    def _left(self) -> float:
        assert self.deadline is not None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class _Incoming(io.RawIOBase):
    """What comes over a wire."""

    def __init__(self, wire: DeadlineSocket) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._wire.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._wire.reader_closed()


def connection_lost(host: str, error: Exception) -> ResinError:
    """The failure that the user sees where the connection to `host` ended or stopped in the middle."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return Unreachable(
            f"The engine of {host} does not answer in time.",
            hint="The device may be busy, or the network between may be cut: try again.",
            cause="no-answer",
        )
    reason = (getattr(error, "strerror", None) or "it ended in the middle").lower()
    return Unreachable(
        f"The connection to the engine of {host} was lost: {reason}.",
        hint="Is the device still on, and its engine running? `resin wait` returns when it is back.",
        cause="lost",
    )

"""A socket for http.client with a deadline and a limit on the bytes received, over TCP or an SSH channel."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from resin_toolkit.errors import ResinError, Unreachable
from resin_toolkit.interruptible import wait_for_descriptors
from resin_toolkit.tcp import DEAD_AFTER, set_tcp_option

REMEMBERED = 32
"""Bytes kept of the beginning, to recognise a server that is not an engine."""
CHECK_AFTER = 4.0
"""Seconds of silence after which the server is checked during a request that may take long."""
_STALL = 60_000
"""Milliseconds for which a board that writes to a worn card may accept no data."""


class Stream(Protocol):
    """A socket, or an SSH channel that behaves like one."""

    def recv(self, size: int, /) -> bytes: ...

    def sendall(self, data: bytes, /) -> object: ...

    def settimeout(self, seconds: float | None, /) -> object: ...

    def shutdown(self, how: int, /) -> object: ...

    def close(self) -> object: ...

    def fileno(self) -> int: ...


class TooMuch(OSError):
    """An answer is larger than any that an engine sends."""


class DeadlineSocket:
    """A stream with limits. It is closed once `close` was called and all files of `makefile` are closed."""

    def __init__(self, stream: Stream) -> None:
        self.deadline: float | None = None
        """The time.monotonic() after which a read or write raises TimeoutError; None for no deadline."""
        self.budget: int | None = None
        """The number of bytes that may still be received before a read raises TooMuch; None for no limit."""
        self.buffer_size = 65536
        """The size of the buffers of `makefile`; with 1 nothing is read ahead."""
        self.first = b""
        """The first bytes received."""
        self.check: Callable[[], object] | None = None
        """Called after `CHECK_AFTER` seconds of silence, again and again. Raises if the server hangs."""
        self._stream = stream
        self._timeout: float | None = None
        self._readers = 0
        self._closed = False

    def recv(self, size: int) -> bytes:
        data = self._receive(size)
        if len(self.first) < REMEMBERED:
            self.first += data[: REMEMBERED - len(self.first)]
        if self.budget is not None:
            self.budget -= len(data)
            if self.budget < 0:
                raise TooMuch
        return data

    def sendall(self, data: bytes) -> None:
        if self.deadline is not None:
            self._stream.settimeout(self._left())
        self._stream.sendall(data)

    def settimeout(self, seconds: float | None) -> None:
        """Limit each read and write, in seconds, instead of a deadline."""
        self._timeout = seconds
        self.deadline = None
        self._stream.settimeout(seconds)

    def unlimit(self) -> None:
        """Remove all limits on time and size."""
        self.budget = self.check = None
        self.settimeout(None)

    def may_stall(self, yes: bool) -> None:
        """Whether the peer may accept no data for a minute; TCP_USER_TIMEOUT counts that as silence."""
        stream = self._stream
        if isinstance(stream, socket.socket) and stream.family in (socket.AF_INET, socket.AF_INET6):
            set_tcp_option(stream, "TCP_USER_TIMEOUT", _STALL if yes else DEAD_AFTER)

    def require_time(self) -> None:
        """Raise TimeoutError after the deadline."""
        if self.deadline is not None:
            self._left()

    def is_idle(self) -> bool:
        """Whether the peer has neither sent anything nor closed the connection."""
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
        """Let a read in another thread return."""
        # The peer may have closed the connection already.
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        if not isinstance(self._stream, socket.socket):
            # The reader of a channel wakes up only when the channel is closed.
            self._stream.close()

    def close(self) -> None:
        self._closed = True
        self._close_if_unused()

    def reader_closed(self) -> None:
        self._readers -= 1
        self._close_if_unused()

    def _receive(self, size: int) -> bytes:
        silent_until = None if self._timeout is None else time.monotonic() + self._timeout
        while self.check is not None:
            ends = [each for each in (self.deadline, silent_until) if each is not None]
            if ends and min(ends) - time.monotonic() <= CHECK_AFTER:
                self._stream.settimeout(max(0.001, min(ends) - time.monotonic()))
                return self._stream.recv(size)
            self._stream.settimeout(CHECK_AFTER)
            try:
                return self._stream.recv(size)
            except TimeoutError as error:
                if error.errno is not None:  # The kernel has given up the connection.
                    raise
            self.check()
        if self.deadline is not None:
            self._stream.settimeout(self._left())
        elif self._timeout is None and threading.current_thread() is threading.main_thread():
            self._wait_for_data()
        return self._stream.recv(size)

    def _wait_for_data(self) -> None:
        """Wait without a limit. Another thread may send, so the socket's timeout is left as it is."""
        stream = self._stream
        if isinstance(stream, socket.socket) and stream.fileno() >= 0:
            wait_for_descriptors([stream.fileno()])

    def _close_if_unused(self) -> None:
        if self._closed and not self._readers:
            self._stream.close()

    def _left(self) -> float:
        assert self.deadline is not None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Incoming(io.RawIOBase):
    """The receiving side of a socket."""

    def __init__(self, connection: DeadlineSocket) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._connection.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._connection.reader_closed()


def connection_lost(host: str, error: Exception) -> ResinError:
    """The error for a connection to `host` that ended or timed out in the middle of an exchange."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return Unreachable(
            f"The engine of {host} did not respond in time.",
            hint="The device may be busy, or the network interrupted. Try again.",
            cause="no-answer",
        )
    reason = (getattr(error, "strerror", None) or "closed unexpectedly").lower()
    return Unreachable(
        f"The connection to the engine of {host} was lost: {reason}.",
        hint="Check that the device is on and its engine running. `resin wait` returns when it is back.",
        cause="lost",
    )

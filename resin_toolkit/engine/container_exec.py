"""A command running in a container: its input, output, terminal and exit code.

Source: the Docker Engine API, /containers/ID/exec, /exec/ID/start, /exec/ID/resize and /exec/ID/json; for the
frames, "Attach to a container", stream format.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from http.client import HTTPResponse
from threading import Event

from resin_toolkit.engine.transport.connection_pool import ConnectionPool
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.transport.http import NETWORK_ERRORS, with_query
from resin_toolkit.errors import Unreachable
from resin_toolkit.untrusted_json import as_object, number

_EXIT_TIMEOUT = 10.0
"""Seconds within which a command exits after its output has ended."""
_HEADER = 8


class Output(IntEnum):
    """The output streams of a command. A terminal has STDOUT only."""

    STDOUT = 1
    STDERR = 2


class ExecSession:
    """A command in a container. One thread reads; others may send, resize and close."""

    def __init__(
        self,
        connections: ConnectionPool,
        path: str,
        connection: DeadlineSocket,
        response: HTTPResponse,
        *,
        tty: bool,
    ) -> None:
        self._connections = connections
        self._path = path
        self._connection = connection
        self._response = response
        self._frames = None if tty else Frames()
        self._closed = Event()

    def fileno(self) -> int:
        """A file descriptor that is readable when `read` would not block."""
        return self._connection.fileno()

    def read(self, size: int = 65536) -> list[tuple[Output, bytes]]:
        """The next output of the command, in order; an empty list at the end. Blocks. Raises Unreachable."""
        while not self._closed.is_set():
            try:
                data = self._connection.recv(size)
            except NETWORK_ERRORS as error:
                if self._closed.is_set():
                    break
                raise connection_lost(self._connections.host, error) from error
            if not data:
                break
            if self._frames is None:
                return [(Output.STDOUT, data)]
            pieces = list(self._frames.take(data))
            if pieces:
                return pieces
        return []

    def sendall(self, data: bytes) -> None:
        """Send input to the command. Raises Unreachable."""
        try:
            self._connection.sendall(data)
        except NETWORK_ERRORS as error:
            raise connection_lost(self._connections.host, error) from error

    def end_input(self) -> None:
        """Close the command's stdin; its output can still be read."""
        # The connection has ended already if the command has.
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the command's terminal. Raises EngineFailed, Unreachable."""
        path = with_query(f"{self._path}/resize", h=str(rows), w=str(columns))
        self._connections.call("POST", path)

    def exit_code(self) -> int:
        """The exit code of the command, once its output has ended. Raises EngineFailed, Unreachable."""
        deadline = time.monotonic() + _EXIT_TIMEOUT
        while True:
            state = as_object(self._connections.call("GET", f"{self._path}/json"))
            if not state.get("Running"):
                return number(state, "ExitCode")
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"The connection to a command on {self._connections.host} ended before the command did.",
                    hint="The command may still be running.",
                    cause="lost",
                )
            time.sleep(0.05)

    def close(self) -> None:
        """Detach from the command, which continues to run; a `read` in another thread returns."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._connection.abort()
        self._response.close()
        self._connection.close()

    def __enter__(self) -> ExecSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Frames:
    """Separates stdout and stderr, which arrive in frames.

    A frame has a header of eight bytes: the first one names the stream, the last four are the length of the
    content, big-endian.
    """

    def __init__(self) -> None:
        self._header = b""
        self._output = Output.STDOUT
        self._left = 0

    def take(self, data: bytes) -> Iterator[tuple[Output, bytes]]:
        """The output in the next bytes of the stream, which may contain parts of frames."""
        position = 0
        while position < len(data):
            if not self._left:
                missing = _HEADER - len(self._header)
                self._header += data[position : position + missing]
                position += missing
                self._begin_frame()
                continue
            piece = data[position : position + self._left]
            position += len(piece)
            self._left -= len(piece)
            yield self._output, piece

    def _begin_frame(self) -> None:
        if len(self._header) == _HEADER:
            self._output = Output.STDERR if self._header[0] == Output.STDERR else Output.STDOUT
            self._left = int.from_bytes(self._header[4:], "big")
            self._header = b""

"""A command that runs in a container, with its input, its outputs, its terminal and its exit code.

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

from resin_toolkit.engine.models import as_object, number
from resin_toolkit.engine.transport.connection_pool import ConnectionPool
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.transport.http import NETWORK_ERRORS, with_query
from resin_toolkit.errors import Unreachable

_PATIENCE = 10.0
"""Seconds after the end of its output within which a command ends."""
_HEAD = 8


class Output(IntEnum):
    """Which output of a command it was; all of a terminal's is STDOUT."""

    STDOUT = 1
    STDERR = 2


class ExecSession:
    """A command in a container. One thread reads; others may send, resize and close."""

    def __init__(
        self,
        connections: ConnectionPool,
        path: str,
        wire: DeadlineSocket,
        response: HTTPResponse,
        *,
        tty: bool,
    ) -> None:
        self._connections = connections
        self._path = path
        self._wire = wire
        self._response = response
        self._frames = None if tty else Frames()
        self._closed = Event()

    def fileno(self) -> int:
        """Readable when `read` has something, or the end, to return at once."""
        return self._wire.fileno()

    def read(self, size: int = 65536) -> list[tuple[Output, bytes]]:
        """What the command has put out, in order; an empty list at the end. Waits for it.

        Raises Unreachable.
        """
        while not self._closed.is_set():
            try:
                data = self._wire.recv(size)
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
        """Give the command input. Raises Unreachable."""
        try:
            self._wire.sendall(data)
        except NETWORK_ERRORS as error:
            raise connection_lost(self._connections.host, error) from error

    def end_input(self) -> None:
        """Let the command see the end of its input; what it puts out still comes."""
        # Where the command has ended, the connection has, too.
        with suppress(OSError):
            self._wire.shutdown(socket.SHUT_WR)

    def resize(self, rows: int, columns: int) -> None:
        """Tell the command's terminal how large it is. Raises EngineFailed, Unreachable."""
        path = with_query(f"{self._path}/resize", h=str(rows), w=str(columns))
        self._connections.call("POST", path)

    def exit_code(self) -> int:
        """The command's exit code, once its output has ended. Raises EngineFailed, Unreachable."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            state = as_object(self._connections.call("GET", f"{self._path}/json"))
            if not state.get("Running"):
                return number(state, "ExitCode")
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"The connection to a command on {self._connections.host} ended before the command did.",
                    hint="It may still be running there.",
                    cause="lost",
                )
            time.sleep(0.05)

    def close(self) -> None:
        """Leave it; a `read` in another thread returns. The command itself is not ended."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._wire.abort()
        self._response.close()
        self._wire.close()

    def __enter__(self) -> ExecSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Frames:
    """Both outputs of a command, apart again: each piece comes behind a head of eight bytes.

    The head's first byte tells the output, its last four the length of the piece, big-endian.
    """

    def __init__(self) -> None:
        self._head = b""
        self._output = Output.STDOUT
        self._left = 0

    def take(self, data: bytes) -> Iterator[tuple[Output, bytes]]:
        """The pieces in what came next, whole or in part."""
        position = 0
        while position < len(data):
            if not self._left:
                missing = _HEAD - len(self._head)
                self._head += data[position : position + missing]
                position += missing
                self._begin()
                continue
            piece = data[position : position + self._left]
            position += len(piece)
            self._left -= len(piece)
            yield self._output, piece

    def _begin(self) -> None:
        if len(self._head) == _HEAD:
            self._output = Output.STDERR if self._head[0] == Output.STDERR else Output.STDOUT
            self._left = int.from_bytes(self._head[4:], "big")
            self._head = b""

"""A request whose body one thread sends while another reads the answer.

The engine may answer before it has the whole body: with an error, or with progress messages.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from http.client import HTTPResponse

from resin_toolkit.engine.error_responses import refusal
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.transport.http import (
    LAST_CHUNK,
    NETWORK_ERRORS,
    encode_chunk,
    read_body,
    receive,
    send_chunked_head,
)
from resin_toolkit.engine.transport.raw_stream import RawStream
from resin_toolkit.errors import EngineFailed

TAR = "application/x-tar"
_ERROR_LIMIT = 64 * 1024
_JOIN_TIMEOUT = 5.0
"""Seconds to wait for the sending thread, which the source of the body may block."""


class ChunkedUpload:
    """A request in progress. One thread reads the answer; any other may close."""

    def __init__(
        self,
        host: str,
        connection: DeadlineSocket,
        method: str,
        path: str,
        body: Iterable[bytes],
        headers: Mapping[str, str],
    ) -> None:
        self._host = host
        self._connection = connection
        self._method = method
        self._response: HTTPResponse | None = None
        self._stream: RawStream | None = None
        self._closed = threading.Event()
        self._reading = threading.RLock()
        self._is_sent = False
        self._failure: BaseException | None = None
        # An engine that writes to a worn card may accept nothing for a while. Once it has the whole body, a
        # silent link is dead.
        connection.may_stall(True)
        connection.unlimit()
        try:
            send_chunked_head(connection, method, path, headers)
        except BaseException as error:
            connection.close()
            if isinstance(error, NETWORK_ERRORS):
                raise connection_lost(host, error) from error
            raise
        self._thread = threading.Thread(target=self._send, args=(body,), daemon=True)
        self._thread.start()

    def read(self, size: int = 65536) -> bytes:
        """Return the next bytes of the answer; b"" at its end and after `close`. Blocks.

        Raises what the body raised, if it did, else the engine's error response, or Unreachable.
        """
        with self._reading:
            try:
                data = b"" if self._closed.is_set() else self._read(size)
            except BaseException as error:
                # An engine may still answer that the body of a cancelled request is incomplete.
                is_cancelled = self._closed.is_set() and isinstance(error, EngineFailed)
                self.close()
                self._raise_failure()
                if is_cancelled:
                    return b""
                raise
            if self._closed.is_set():
                data = b""
            if not data:
                self._raise_failure()
            return data

    def close(self) -> None:
        """Cancel the request, on the engine as well; a `read` in another thread returns."""
        self._closed.set()
        self._connection.abort()
        with self._reading:
            if self._stream is not None:
                self._stream.close()
            elif self._response is not None:
                self._response.close()
            self._connection.close()
        self._thread.join(_JOIN_TIMEOUT)

    def __enter__(self) -> ChunkedUpload:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, size: int) -> bytes:
        if self._stream is None:
            self._stream = self._receive_answer()
        data = self._stream.read(size) if self._stream else b""
        if data and self._is_sent:
            self._is_sent = False
            self._connection.may_stall(False)
        return data

    def _receive_answer(self) -> RawStream | None:
        """The answer, once it begins; None if the request was closed before."""
        try:
            self._response = receive(self._connection, self._method)
            self._connection.budget = None
            if self._response.status >= 300:
                body = read_body(self._connection, self._response, _ERROR_LIMIT)
                raise refusal(self._host, self._response.status, body)
        except NETWORK_ERRORS as error:
            if self._closed.is_set():
                return None
            raise connection_lost(self._host, error) from error
        return RawStream(self._host, self._connection, self._response)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _send(self, body: Iterable[bytes]) -> None:
        try:
            is_complete = all(self._send_data(encode_chunk(piece)) for piece in body if piece)
        except BaseException as error:  # noqa: BLE001 - the reading thread raises it
            self._failure = error
            # Without its last chunk the body is incomplete, and the engine rejects it.
            self._connection.abort()
            return
        self._is_sent = is_complete and self._send_data(LAST_CHUNK)

    def _send_data(self, data: bytes) -> bool:
        """Send data; False if the connection is closed or lost, which the reading thread reports."""
        if self._closed.is_set():
            return False
        try:
            self._connection.sendall(data)
        except NETWORK_ERRORS:
            return False
        return True

"""A request whose body is sent by a thread while the answer is read already.

The engine may answer before it has all of it: with an error, or with what it does meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from http.client import HTTPResponse

from resin_toolkit.engine.error_responses import refusal
from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.transport.http import LAST_CHUNK, NETWORK_ERRORS, begin_chunked, in_chunk, receive
from resin_toolkit.engine.transport.raw_stream import RawStream

TAR = "application/x-tar"
_ERROR_LIMIT = 64 * 1024
_PATIENCE = 5.0
"""Seconds for which the end of the thread is waited for: what gives the body may itself wait."""


class ChunkedUpload:
    """One such request. One thread reads the answer; any other may close."""

    def __init__(
        self,
        host: str,
        wire: DeadlineSocket,
        method: str,
        path: str,
        body: Iterable[bytes],
        headers: Mapping[str, str],
    ) -> None:
        self._host = host
        self._wire = wire
        self._method = method
        self._response: HTTPResponse | None = None
        self._stream: RawStream | None = None
        self._closed = threading.Event()
        self._reading = threading.RLock()
        self._is_sent = False
        self._failure: BaseException | None = None
        # An engine that writes to a worn card may take nothing for a while; once it has all, a link that is
        # silent is dead.
        wire.may_stall(True)
        wire.unlimited()
        try:
            begin_chunked(wire, method, path, headers)
        except BaseException as error:
            wire.close()
            if isinstance(error, NETWORK_ERRORS):
                raise connection_lost(host, error) from error
            raise
        self._thread = threading.Thread(target=self._send, args=(body,), daemon=True)
        self._thread.start()

    def read(self, size: int = 65536) -> bytes:
        """What is there of the answer; b"" at its end, and once it was closed. Waits for it.

        Raises what the body itself raised, before all else; else the engine's refusal, or Unreachable.
        """
        with self._reading:
            try:
                data = b"" if self._closed.is_set() else self._more(size)
            except BaseException:
                self.close()
                self._raise_failure()
                raise
            if not data:
                self._raise_failure()
            return data

    def close(self) -> None:
        """End it; a `read` in another thread returns. The engine ends what it does with the body, too."""
        self._closed.set()
        self._wire.abort()
        with self._reading:
            if self._stream is not None:
                self._stream.close()
            elif self._response is not None:
                self._response.close()
            self._wire.close()
        self._thread.join(_PATIENCE)

    def __enter__(self) -> ChunkedUpload:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _more(self, size: int) -> bytes:
        if self._stream is None:
            self._stream = self._answer()
        data = self._stream.read(size) if self._stream else b""
        if data and self._is_sent:
            self._is_sent = False
            self._wire.may_stall(False)
        return data

    def _answer(self) -> RawStream | None:
        """The answer, once it has begun; None where it was closed before."""
        try:
            self._response = receive(self._wire, self._method)
            self._wire.budget = None
            if self._response.status >= 300:
                self._wire.budget = _ERROR_LIMIT
                raise refusal(self._host, self._response.status, self._response.read())
        except NETWORK_ERRORS as error:
            if self._closed.is_set():
                return None
            raise connection_lost(self._host, error) from error
        return RawStream(self._host, self._wire, self._response)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _send(self, body: Iterable[bytes]) -> None:
        try:
            is_whole = all(self._sent(in_chunk(piece)) for piece in body if piece)
        except BaseException as error:  # noqa: BLE001 - the thread that reads raises it
            self._failure = error
            # Without its end the body is none: the engine must not take it for whole.
            self._wire.abort()
            return
        self._is_sent = is_whole and self._sent(LAST_CHUNK)

    def _sent(self, data: bytes) -> bool:
        """Whether it could be sent; where it could not, whoever reads the answer learns why."""
        if self._closed.is_set():
            return False
        try:
            self._wire.sendall(data)
        except NETWORK_ERRORS:
            return False
        return True

"""The body of an answer as a stream, without delay and without the framing of its transfer."""

from __future__ import annotations

from http.client import HTTPResponse
from threading import Event, Lock

from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.transport.http import NETWORK_ERRORS
from resin_toolkit.errors import Unreachable

_SIZE_LINE_LIMIT = 4096
"""Bytes that the size line of a chunk, with its extensions, may have."""


class IncompleteBody(OSError):
    """The connection ended before the body did."""


class InvalidChunk(OSError):
    """A body that violates RFC 9112, section 7.1."""


class RawStream:
    """The body of an answer. One thread reads; any other may close."""

    def __init__(self, host: str, connection: DeadlineSocket, response: HTTPResponse) -> None:
        self._host = host
        self._connection = connection
        self._response = response
        self._chunks = ChunkDecoder() if response.chunked else None
        self._left = response.length if self._chunks is None else None
        self._ended = False
        self._closed = Event()
        self._reading = Lock()

    def read(self, size: int = 65536) -> bytes:
        """Return 1 to `size` bytes as soon as there are any; b"" at the end and after `close`.

        Blocks as long as the connection lives, or as the engine may be silent. Raises Unreachable.
        """
        with self._reading:
            while not (self._ended or self._closed.is_set()):
                try:
                    data = self._read(size)
                except NETWORK_ERRORS as error:
                    if self._closed.is_set():
                        break
                    raise connection_lost(self._host, error) from error
                except Unreachable:  # from `DeadlineSocket.check`
                    if self._closed.is_set():
                        break
                    raise
                if data:
                    return data
        return b""

    def close(self) -> None:
        """Close the stream; a `read` in another thread returns."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._connection.abort()
        with self._reading:
            self._response.close()
            self._connection.close()

    def __enter__(self) -> RawStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, size: int) -> bytes:
        data: bytes = self._response.fp.read1(size if self._left is None else min(size, self._left))
        if self._chunks is not None:
            if not data and not self._closed.is_set():
                raise IncompleteBody
            data = self._chunks.take(data)
            self._ended = self._chunks.ended
        elif self._left is not None:
            self._left -= len(data)
            self._ended = not self._left
            if not data and self._left and not self._closed.is_set():
                raise IncompleteBody
        else:
            self._ended = not data
        return data


class ChunkDecoder:
    """Decodes the chunked transfer coding (RFC 9112, section 7.1), many chunks at a time.

    An engine sends each line of a log as a chunk, so the loop below runs a million times for a million lines.
    A separator precedes each chunk: a line end, the size of the chunk in hexadecimal, and a line end.
    """

    def __init__(self) -> None:
        self.ended = False
        self._separator = b"\r\n"
        """An incomplete separator. The first chunk has no line end in front."""
        self._left = 0
        """Bytes that are left of an incomplete chunk."""

    def take(self, data: bytes) -> bytes:
        """The content in the next bytes of the body; nothing after its end. Raises InvalidChunk."""
        if self.ended:
            return b""
        if self._left > len(data):
            self._left -= len(data)
            return data
        taken = [data[: self._left]]
        position = self._left
        self._left = 0
        if not position:
            data = self._separator + data
        while True:
            end = data.find(b"\r\n", position + 2)
            if end < 0:
                self._separator = data[position:]
                break
            size = _chunk_size(data[position:end])
            position = end + 2 + size
            taken.append(data[end + 2 : position])
            if position > len(data):
                self._left = position - len(data)
                break
            if not size:
                self.ended = True
                break
        if len(self._separator) > _SIZE_LINE_LIMIT:
            raise InvalidChunk
        return b"".join(taken)


def _chunk_size(separator: bytes) -> int:
    """The size in a separator without its last line end; `int` ignores the one in front."""
    try:
        size = int(separator, 16)
    except ValueError:
        digits = separator.partition(b";")[0]
        try:
            size = int(digits, 16)
        except ValueError as error:
            raise InvalidChunk from error
    if size < 0:
        raise InvalidChunk
    return size

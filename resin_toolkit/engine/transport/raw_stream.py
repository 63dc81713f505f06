"""The body of an answer as it comes: what is there at once, without the marks of its transfer."""

from __future__ import annotations

from http.client import HTTPResponse
from threading import Event, Lock

from resin_toolkit.engine.transport.deadline_socket import DeadlineSocket, connection_lost
from resin_toolkit.engine.transport.http import NETWORK_ERRORS

_LONGEST_MARK = 4096
"""Bytes of a size line with its extensions that are waited for."""


class Cut(OSError):
    """The connection ended before the body did."""


class Damaged(OSError):
    """A body that is not put together as RFC 9112, section 7.1, says."""


class RawStream:
    """The body of one answer. One thread reads; any other may close."""

    def __init__(self, host: str, wire: DeadlineSocket, response: HTTPResponse) -> None:
        self._host = host
        self._wire = wire
        self._response = response
        self._chunks = Chunks() if response.chunked else None
        self._left = response.length if self._chunks is None else None
        self._ended = False
        self._closed = Event()
        self._reading = Lock()

    def read(self, size: int = 65536) -> bytes:
        """What is there, at least one byte and at most `size`; b"" at the end, and once it was closed.

        Waits without a limit while the connection lives. Raises Unreachable where it does not.
        """
        with self._reading:
            while not (self._ended or self._closed.is_set()):
                try:
                    data = self._more(size)
                except NETWORK_ERRORS as error:
                    if self._closed.is_set():
                        break
                    raise connection_lost(self._host, error) from error
                if data:
                    return data
        return b""

    def close(self) -> None:
        """End it; a `read` in another thread returns at once."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._wire.abort()
        with self._reading:
            self._response.close()
            self._wire.close()

    def __enter__(self) -> RawStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _more(self, size: int) -> bytes:
        data: bytes = self._response.fp.read1(size if self._left is None else min(size, self._left))
        if self._chunks is not None:
            if not data and not self._closed.is_set():
                raise Cut("it ended in the middle")
            data = self._chunks.take(data)
            self._ended = self._chunks.ended
        elif self._left is not None:
            self._left -= len(data)
            self._ended = not self._left
            if not data and self._left and not self._closed.is_set():
                raise Cut("it ended in the middle")
        else:
            self._ended = not data
        return data


class Chunks:
    """The chunked transfer coding (RFC 9112, section 7.1), taken off again in large steps.

    An engine sends each line of a log as a chunk of its own, so the loop below runs a million times for a
    million lines. Between two chunks stands a mark: a line end, the size of the next in hexadecimal digits,
    a line end.
    """

    def __init__(self) -> None:
        self.ended = False
        self._mark = b"\r\n"
        """What has come of a mark; the first one has no line end in front."""
        self._left = 0
        """How much of a chunk is still to come."""

    def take(self, data: bytes) -> bytes:
        """The content in the next piece of the body; nothing after its end. Raises Damaged."""
        if self.ended:
            return b""
        if self._left > len(data):
            self._left -= len(data)
            return data
        taken = [data[: self._left]]
        position = self._left
        self._left = 0
        if not position:
            data = self._mark + data
        while True:
            end = data.find(b"\r\n", position + 2)
            if end < 0:
                self._mark = data[position:]
                break
            size = _size(data[position:end])
            position = end + 2 + size
            taken.append(data[end + 2 : position])
            if position > len(data):
                self._left = position - len(data)
                break
            if not size:
                self.ended = True
                break
        if len(self._mark) > _LONGEST_MARK:
            raise Damaged("what came is no chunk")
        return b"".join(taken)


def _size(mark: bytes) -> int:
    """The size in a mark without its last line end; `int` passes over the one in front."""
    try:
        size = int(mark, 16)
    except ValueError:
        digits = mark.partition(b";")[0]
        try:
            size = int(digits, 16)
        except ValueError as error:
            raise Damaged("what came is no chunk") from error
    if size < 0:
        raise Damaged("what came is no chunk")
    return size

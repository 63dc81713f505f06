"""A log's bytes, as the engine sends them, cut into records: a stream, a time, a text.

A record is one message of the engine's log, nearly always a line. A line over 16 KiB is several records, of
which only the last ends with a newline. All records have one form, whatever they were sent as:

    8 bytes   the first is the stream (0 with a terminal, 1 stdout, 2 stderr), the others count for nothing
    30 bytes  the time, in UTC: 2026-01-02T03:04:05.123456789Z
    1 byte    a space
    the text, with its newline if it has one

so that what asks nothing of a line need not look at it.

Source: Docker Engine API, "Attach to a container" (the stream format), "Get container logs" (`timestamps`).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Protocol

from resin_toolkit.engine.timestamps import STAMP_LENGTH, normal_stamp
from resin_toolkit.errors import EngineFailed

HEADER = 8
TEXT = HEADER + STAMP_LENGTH + 1
"""Where the text of a record begins."""
PART = 16 * 1024
"""The bytes of text after which the engine cuts a line; a shorter record without a newline is a line that its
writer never ended."""
LONGEST = 64 * 1024 * 1024
"""The bytes that a record may have at most."""
STDOUT, STDERR, ENGINE_REMARK = 1, 2, 3
STREAMS = {0: "tty", STDOUT: "stdout", STDERR: "stderr"}

_HEADERS = tuple(bytes([stream, 0, 0, 0, 0, 0, 0, 0]) for stream in range(ENGINE_REMARK))
_unpack = struct.Struct(">BxxxI").unpack_from
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) ")
_LONGEST_STAMP = 36


class Reader(Protocol):
    """Takes the bytes of one answer of the engine, gives the records that are complete.

    Both raise EngineFailed where the bytes are no log.
    """

    remarks: list[str]
    """What the engine itself had to say about the log; the caller empties it."""

    def feed(self, data: bytes) -> list[bytes]: ...

    def end(self) -> list[bytes]:
        """What is a record only because nothing follows."""


def reader(*, tty: bool) -> Reader:
    """For the log of a container with a terminal or without one."""
    return TerminalReader() if tty else FrameReader()


def stream_of(record: bytes) -> int:
    return record[0]


def stamp_of(record: bytes) -> bytes:
    return record[HEADER : TEXT - 1]


def made(stream: int, stamp: bytes, text: bytes) -> bytes:
    """The record of these parts; `stamp` as `stamps.normal_stamp` gives it."""
    return b"".join((_HEADERS[stream], stamp, b" ", text))


def record_texts(records: Sequence[bytes]) -> list[bytes]:
    return [record[TEXT:] for record in records]


class FrameReader:
    """Multiplexed: each message in a frame, with a header of its stream, three zeros, and its length."""

    def __init__(self) -> None:
        self.remarks: list[str] = []
        self._parts: list[bytes] = []
        self._have = 0
        self._need = HEADER

    def feed(self, data: bytes) -> list[bytes]:
        self._parts.append(data)
        self._have += len(data)
        if self._have < self._need:
            return []
        buffer = b"".join(self._parts) if len(self._parts) > 1 else data
        records, rest = self._cut(buffer)
        self._parts = [rest] if rest else []
        self._have = len(rest)
        return records

    def end(self) -> list[bytes]:
        # A frame that was cut off is none; the log is read again from behind the last whole one.
        return []

    def _cut(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        """The records in `buffer`, and the bytes behind the last."""
        records: list[bytes] = []
        append = records.append
        last = len(buffer) - HEADER
        start = 0
        self._need = HEADER
        while start <= last:
            stream, length = _unpack(buffer, start)
            stop = start + HEADER + length
            if stop > last + HEADER:
                self._need += _length(buffer[start : start + HEADER])
                break
            # The time's last byte, and the space behind it.
            if buffer[start + 37 : start + 39] == b"Z " and stream < ENGINE_REMARK and length > STAMP_LENGTH:
                append(buffer[start:stop])
            else:
                records += self._unusual(buffer[start : start + HEADER], buffer[start + HEADER : stop])
            start = stop
        return records, buffer[start:]

    def _unusual(self, header: bytes, payload: bytes) -> list[bytes]:
        """A frame whose time is not in the usual form, or that is no record."""
        _length(header)
        if header[0] == ENGINE_REMARK:
            self.remarks.append(payload.decode(errors="replace").strip())
            return []
        match = _STAMP.match(payload)
        if match is None:
            raise EngineFailed("The engine sent a line of a log without its time.", hint=_HINT)
        return [made(header[0], normal_stamp(match[0][:-1]), payload[match.end() :])]


class TerminalReader:
    """Of a container with a terminal: the messages one behind the other, with nothing between them."""

    def __init__(self) -> None:
        self.remarks: list[str] = []
        self._buffer = b""
        self._searched = 0

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        records = []
        start = 0
        while stop := self._next(start):
            records.append(_terminal_piece(self._buffer[start:stop]))
            start = stop
            self._searched = 0
        self._buffer = self._buffer[start:]
        if len(self._buffer) > LONGEST:
            raise EngineFailed("The engine sent a line of a log that does not end.", hint=_HINT)
        return records

    def end(self) -> list[bytes]:
        rest, self._buffer, self._searched = self._buffer, b"", 0
        return [_terminal_piece(rest)] if _STAMP.match(rest) else []

    def _next(self, start: int) -> int:
        """The end of the record that begins at `start`; 0 if it is not known yet."""
        search = start + max(self._searched, 0)
        newline = self._buffer.find(b"\n", search)
        stop = newline + 1
        if (stop or len(self._buffer)) - start > PART:
            # Only a line of at least this length is cut, and a part of it never has fewer bytes.
            earliest = start + PART + len(b"2026-01-02T03:04:05Z ")
            match = _STAMP.search(
                self._buffer, max(earliest, search - _LONGEST_STAMP), stop or len(self._buffer)
            )
            if match is not None:
                return match.start()
        self._searched = len(self._buffer) - start
        return stop


def _terminal_piece(message: bytes) -> bytes:
    match = _STAMP.match(message)
    if match is None:
        raise EngineFailed("The engine sent a line of a log without its time.", hint=_HINT)
    return made(0, normal_stamp(match[0][:-1]), message[match.end() :])


_HINT = "Is it the engine that listens there? `resin ps` shows what answers."


def _length(header: bytes) -> int:
    """The length of the frame with this header. Raises EngineFailed where it is the header of none."""
    length = int.from_bytes(header[4:], "big")
    if header[0] > ENGINE_REMARK or header[1:4] != b"\0\0\0" or length > LONGEST:
        raise EngineFailed("The engine sent bytes that are no log.", hint=_HINT)
    return length

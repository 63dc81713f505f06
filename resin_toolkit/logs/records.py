"""Parsing the bytes of a log, as the engine sends them, into records of a stream, a timestamp and a text.

A record is one entry of the engine's log, nearly always a line. A line over 16 KiB is split into several, of
which only the last ends with a newline; what an old engine does not split is split here, every 128 KiB, so
that no log takes more memory than that. All records have the same layout, whatever they were sent as:

    8 bytes   the first is the stream (0 with a terminal, 1 stdout, 2 stderr), the others are ignored
    30 bytes  the time in UTC: 2026-01-02T03:04:05.123456789Z
    1 byte    a space
    the text, with its newline if it has one

so that lines that are shown unchanged need not be parsed.

Source: Docker Engine API, "Attach to a container" (the stream format), "Get container logs" (`timestamps`).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Protocol

from resin_toolkit.engine.timestamps import STAMP_LENGTH, normalize_stamp
from resin_toolkit.errors import EngineFailed
from resin_toolkit.untrusted_json import one_line

HEADER = 8
TEXT = HEADER + STAMP_LENGTH + 1
"""The offset of the text in a record."""
SPLIT_SIZE = 16 * 1024
"""Bytes of text after which the engine splits a line. A shorter record without a newline is a line that the
process never ended."""
PIECE = 128 * 1024
"""Bytes of text after which a record is split here."""
MAX_ENTRY = 64 * 1024 * 1024
"""Bytes of the longest entry that is accepted."""
MAX_MESSAGES = 10
"""Errors of the engine that are kept of one response."""
_SMALL = 4096
STDOUT, STDERR, ENGINE_MESSAGE = 1, 2, 3
STREAMS = {0: "tty", STDOUT: "stdout", STDERR: "stderr"}

_HEADERS = tuple(bytes([stream, 0, 0, 0, 0, 0, 0, 0]) for stream in range(ENGINE_MESSAGE))
_unpack = struct.Struct(">B3xI").unpack_from
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) ")
_MAX_STAMP = 36


class RecordReader(Protocol):
    """Parses the bytes of one response of the engine. Raises EngineFailed if they are not a log."""

    messages: list[str]
    """Errors that the engine reported within the log."""

    def feed(self, data: bytes) -> list[bytes]:
        """Parse more bytes; return the records that are now complete."""

    def end(self) -> list[bytes]:
        """Return the records that are complete only because the response has ended."""


def record_reader(*, tty: bool) -> RecordReader:
    """A reader for the log of a container with or without a terminal."""
    return TerminalReader() if tty else FrameReader()


def stream_of(record: bytes) -> int:
    return record[0]


def stamp_of(record: bytes) -> bytes:
    return record[HEADER : TEXT - 1]


def make_record(stream: int, stamp: bytes, text: bytes) -> bytes:
    """Build a record; `stamp` as returned by `timestamps.normalize_stamp`."""
    return b"".join((_HEADERS[stream], stamp, b" ", text))


def record_texts(records: Sequence[bytes]) -> list[bytes]:
    return [record[TEXT:] for record in records]


class FrameReader:
    """Reads the multiplexed format: each frame has a header of the stream, three zeros and the length."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self._parts: list[bytes | bytearray] = []
        self._have = 0
        self._need = HEADER
        self._long: _LongEntry | None = None

    def feed(self, data: bytes) -> list[bytes]:
        last = self._parts[-1] if self._parts else b""
        if len(data) < _SMALL and isinstance(last, bytearray):
            last += data
        else:
            self._parts.append(bytearray(data) if len(data) < _SMALL else data)
        self._have += len(data)
        if self._have < self._need:
            return []
        records, rest = self._cut(b"".join(self._parts))
        self._parts = [rest] if rest else []
        self._have = len(rest)
        return records

    def end(self) -> list[bytes]:
        # A truncated frame is dropped; reading resumes after the last complete one.
        return []

    def _cut(self, buffer: bytes) -> tuple[list[bytes], bytes]:
        """Split `buffer` into records and the remaining bytes."""
        records: list[bytes] = []
        append = records.append
        last = len(buffer) - HEADER
        start = self._long.cut(buffer, 0, records) if self._long is not None else 0
        while start <= last and (self._long is None or not self._long.left):
            stream, length = _unpack(buffer, start)
            stop = start + HEADER + length
            if length > PIECE and stream < ENGINE_MESSAGE:
                _length(buffer[start : start + HEADER])
                if len(buffer) < start + HEADER + _MAX_STAMP:
                    break
                self._long = _LongEntry(stream, buffer[start + HEADER :][:_MAX_STAMP], length)
                start = self._long.cut(buffer, start + HEADER + self._long.skipped, records)
                continue
            if stop > last + HEADER:
                _length(buffer[start : start + HEADER])
                break
            # The last byte of the timestamp, and the space after it.
            if buffer[start + 37 : start + 39] == b"Z " and stream < ENGINE_MESSAGE and length > STAMP_LENGTH:
                append(buffer[start:stop])
            else:
                records += self._unusual(buffer[start : start + HEADER], buffer[start + HEADER : stop])
            start = stop
        self._need = self._needed(buffer, start)
        return records, buffer[start:]

    def _needed(self, buffer: bytes, start: int) -> int:
        """The bytes that complete the next record."""
        if self._long is not None and self._long.left:
            return min(PIECE, self._long.left)
        if len(buffer) - start < HEADER:
            return HEADER
        stream, length = _unpack(buffer, start)
        return HEADER + (_MAX_STAMP if length > PIECE and stream < ENGINE_MESSAGE else int(length))

    def _unusual(self, header: bytes, payload: bytes) -> list[bytes]:
        """Parse a frame that has another timestamp format or is not a record."""
        _length(header)
        if header[0] == ENGINE_MESSAGE:
            if len(self.messages) < MAX_MESSAGES:
                self.messages.append(one_line(" ".join(payload.decode(errors="replace").split()), 500))
            return []
        return [_unusual_record(header[0], payload)]


class _LongEntry:
    """An entry that is split into records while it arrives."""

    def __init__(self, stream: int, start: bytes, length: int) -> None:
        """`start` are the first bytes of an entry of `length` bytes, with the whole timestamp."""
        self._stream = stream
        self._stamp, self.skipped = _stamp_at(start)
        """The bytes of the timestamp as the engine sent it."""
        self.left = length - self.skipped
        """The bytes of text that did not arrive yet."""

    def cut(self, buffer: bytes, start: int, records: list[bytes]) -> int:
        """Append the records in `buffer` from `start` on. Returns where the rest starts."""
        while self.left and len(buffer) - start >= (size := min(PIECE, self.left)):
            records.append(make_record(self._stream, self._stamp, buffer[start : start + size]))
            start += size
            self.left -= size
        return start


class TerminalReader:
    """Reads the log of a container with a terminal: messages in a row, without frames."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self._buffer = bytearray()
        self._searched = 0
        self._stamp = b""
        """The timestamp of a long message that was split; empty if none is open."""

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        records = []
        start = 0
        while stop := self._next(start):
            records.append(self._record(bytes(self._buffer[start:stop])))
            start = stop
            self._searched = 0
        del self._buffer[:start]
        return records

    def end(self) -> list[bytes]:
        rest = bytes(self._buffer)
        self._buffer, self._searched = bytearray(), 0
        return [self._record(rest)] if rest and (self._stamp or _STAMP.match(rest)) else []

    def _record(self, message: bytes) -> bytes:
        """The record of a message, or of the next part of a long one. Raises EngineFailed."""
        record = make_record(0, self._stamp, message) if self._stamp else _unusual_record(0, message)
        is_open = len(message) == PIECE and not message.endswith(b"\n")
        self._stamp = stamp_of(record) if is_open else b""
        return record

    def _next(self, start: int) -> int:
        """The end of the record that begins at `start`; 0 if it is incomplete."""
        search = start + max(self._searched, 0)
        newline = self._buffer.find(b"\n", search)
        stop = newline + 1
        if (stop or len(self._buffer)) - start > SPLIT_SIZE:
            # Only a line of at least this length is split, and each part but the last is that long.
            earliest = start + (0 if self._stamp else SPLIT_SIZE + len(b"2026-01-02T03:04:05Z "))
            match = _STAMP.search(self._buffer, max(earliest, search - _MAX_STAMP), stop or len(self._buffer))
            if match is not None:
                stop = match.start()
        if (stop or len(self._buffer)) - start > PIECE + _MAX_STAMP:
            return start + PIECE
        self._searched = len(self._buffer) - start
        return stop


def _unusual_record(stream: int, message: bytes) -> bytes:
    """The record of a message whose timestamp has any format of RFC 3339. Raises EngineFailed."""
    stamp, length = _stamp_at(message)
    return make_record(stream, stamp, message[length:])


def _stamp_at(message: bytes) -> tuple[bytes, int]:
    """The timestamp at the start of a message, and its length there with the space. Raises EngineFailed."""
    match = _STAMP.match(message)
    try:
        stamp = normalize_stamp(match[0][:-1]) if match else None
    except ValueError:
        stamp = None
    if match is None or stamp is None:
        raise EngineFailed("The engine sent a log line without a timestamp.", hint=_HINT)
    return stamp, match.end()


_HINT = "Another program may be listening on that port. Check with `resin ps`."


def _length(header: bytes) -> int:
    """The length in the header of a frame. Raises EngineFailed if it is not one."""
    length = int.from_bytes(header[4:], "big")
    longest = PIECE if header[0] == ENGINE_MESSAGE else MAX_ENTRY
    if header[0] > ENGINE_MESSAGE or header[1:4] != b"\0\0\0" or length > longest:
        raise EngineFailed("The engine sent data that is not a log.", hint=_HINT)
    return length

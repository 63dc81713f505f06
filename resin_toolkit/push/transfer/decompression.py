"""Streams that may be compressed with gzip, xz, Zstandard or bzip2."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Protocol

from resin_toolkit.memory_limit import (
    DEFAULT_MEMORY_LIMIT,
    MAX_ZSTANDARD_WINDOW,
    XZ_BLOCK_HEADER,
    check_memory,
    is_xz_memory_error,
    memory_limit_exceeded,
    xz_decompressor,
    xz_dictionary_size,
)

CHUNK_SIZE = 256 * 1024
_MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2"}
MAGIC_SIZE = max(map(len, _MAGIC))
"""Bytes at the start of a stream that tell all formats apart."""
_FIRST_PIECE = 4096
"""Bytes that a decompressor gets first, then twice as many: what a short member does not use is returned."""
_MAX_EMPTY = 10_000
"""Consecutive members without content, which would take forever to read."""
_XZ_STREAM_HEADER = 12
_MAX_FRAME_HEADER = 18


class ZstandardDamaged(Exception):
    """A Zstandard stream is damaged."""


DECOMPRESSION_ERRORS = (EOFError, zlib.error, lzma.LZMAError, ZstandardDamaged)
"""The errors for a compressed stream that is damaged or truncated; bzip2 also raises OSError."""


class Readable(Protocol):
    """A stream that can be read in chunks."""

    def read(self, size: int, /) -> bytes: ...


def compression_format(beginning: bytes) -> str:
    """gzip, xz, zstd or bzip2; an empty string for uncompressed data."""
    return next((name for magic, name in _MAGIC.items() if beginning.startswith(magic)), "")


def decompressed(source: Readable, name: str, memory_limit: int = DEFAULT_MEMORY_LIMIT) -> Readable:
    """The decompressed content of `source`, which may be compressed.

    Reading raises MemoryLimitExceeded, for the file `name`, if that needs more memory than `memory_limit`.
    """
    peekable = PeekableStream(b"", source)
    kind = compression_format(peekable.peek(MAGIC_SIZE))
    if kind == "gzip":
        return GzipStream(peekable)
    if kind == "xz":
        return _Xz(peekable, name, memory_limit)
    if kind == "zstd":
        return _Zstandard(peekable, name, memory_limit)
    return bz2.open(peekable) if kind == "bzip2" else peekable  # type: ignore[call-overload]


class _Xz:
    """The content of an .xz file, which may have several streams, with padding after each."""

    def __init__(self, source: PeekableStream, name: str, memory_limit: int) -> None:
        self._source = source
        self._name = name
        self._memory_limit = memory_limit
        self._stream: lzma.LZMADecompressor | None = None
        self._piece = _FIRST_PIECE
        self._empty = 0
        self._is_empty = True

    def read(self, size: int, /) -> bytes:
        while True:
            if self._stream is None and not self._start_stream():
                return b""
            assert self._stream is not None
            data = b""
            if self._stream.needs_input:
                data, self._piece = self._source.read(self._piece), min(2 * self._piece, CHUNK_SIZE)
                if not data:
                    raise EOFError("truncated xz")
            try:
                made = self._stream.decompress(data, size)
            except lzma.LZMAError as error:
                if is_xz_memory_error(error):
                    raise memory_limit_exceeded(self._name, None, self._memory_limit) from error
                raise
            self._is_empty = self._is_empty and not made
            if self._stream.eof:
                self._end_stream(self._stream.unused_data)
            if made:
                return made

    def _start_stream(self) -> bool:
        """Begin the next stream; False at the end of the file."""
        if not self._source.skip_zeros():
            return False
        # A block header follows the header of the stream. Those of later blocks are checked by liblzma.
        header = self._source.peek(_XZ_STREAM_HEADER + XZ_BLOCK_HEADER)[_XZ_STREAM_HEADER:]
        check_memory(self._name, xz_dictionary_size(header), self._memory_limit)
        self._stream = xz_decompressor(self._memory_limit)
        self._piece, self._is_empty = _FIRST_PIECE, True
        return True

    def _end_stream(self, unused: bytes) -> None:
        self._source.push_back(unused)
        self._stream = None
        self._empty = self._empty + 1 if self._is_empty else 0
        if self._empty > _MAX_EMPTY:
            raise lzma.LZMAError("too many empty streams")


class _Zstandard:
    """The content of a Zstandard stream, which may have several frames."""

    def __init__(self, source: PeekableStream, name: str, memory_limit: int) -> None:
        import zstandard

        try:
            window = zstandard.get_frame_parameters(source.peek(_MAX_FRAME_HEADER)).window_size
        except zstandard.ZstdError as error:
            raise ZstandardDamaged(str(error)) from error
        check_memory(name, window, memory_limit)
        self._name, self._memory_limit = name, memory_limit
        decompressor = zstandard.ZstdDecompressor(max_window_size=min(memory_limit, MAX_ZSTANDARD_WINDOW))
        self._error = zstandard.ZstdError
        self._reader = decompressor.stream_reader(source, read_across_frames=True, closefd=False)  # type: ignore[arg-type]

    def read(self, size: int, /) -> bytes:
        try:
            return self._reader.read(size)
        except self._error as error:
            if "too much memory" in str(error):
                raise memory_limit_exceeded(self._name, None, self._memory_limit) from error
            raise ZstandardDamaged(str(error)) from error


class PeekableStream:
    """A stream that can be peeked into; `beginning` was read already. Reads are short only at its end."""

    def __init__(self, beginning: bytes, source: Readable) -> None:
        self._pending = beginning
        self._place = 0
        """The offset in `_pending`, which is not sliced for each small read."""
        self._source = source

    def read(self, size: int = CHUNK_SIZE, /) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        taken = self.peek(size)
        self._place += len(taken)
        return taken

    def peek(self, size: int) -> bytes:
        """The same, without consuming them."""
        while len(self._pending) - self._place < size and (data := self._source.read(CHUNK_SIZE)):
            self._pending, self._place = self._pending[self._place :] + data, 0
        return self._pending[self._place : self._place + size]

    def push_back(self, data: bytes) -> None:
        """Return the end of what was read last."""
        assert len(data) <= self._place
        self._place -= len(data)

    def skip_zeros(self) -> bool:
        """Skip zero bytes; False at the end of the stream."""
        while start := self.peek(_FIRST_PIECE):
            zeros = len(start) - len(start.lstrip(b"\0"))
            self._place += zeros
            if zeros < len(start):
                return True
        return False


class GzipStream:
    """The content of a gzip stream, which may have several members. Raises EOFError if it is truncated."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._pieces: Iterator[bytes] = self._all()

    def read(self, size: int, /) -> bytes:  # noqa: ARG002 - reads are of any size
        return next(self._pieces, b"")

    def _all(self) -> Iterator[bytes]:
        unzip = GzipDecompressor()
        while data := self._source.read(CHUNK_SIZE):
            yield from unzip.feed(data)
        unzip.end()


class GzipDecompressor:
    """Decompresses gzip in chunks."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)
        self._is_open = True
        self._is_empty = True
        self._has_data = False
        self._empty = 0
        self._piece = _FIRST_PIECE

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decompress the next chunk, into chunks of bounded size. Raises zlib.error."""
        place = 0
        while place < len(data):
            if not self._is_open:
                place += _zeros_at(data, place)
                if place == len(data):
                    return
                self._member, self._is_open, self._is_empty = zlib.decompressobj(31), True, True
                self._piece = _FIRST_PIECE
            self._has_data = True
            # What a short member does not use is returned, so it gets little at first.
            rest = data[place : place + self._piece]
            place += len(rest)
            self._piece = min(2 * self._piece, CHUNK_SIZE)
            while rest and not self._member.eof:
                if made := self._member.decompress(rest, CHUNK_SIZE):
                    self._is_empty = False
                    yield made
                rest = self._member.unconsumed_tail
            if self._member.eof:
                place -= len(self._member.unused_data)
                self._end_member()

    def end(self) -> None:
        """Raise EOFError if the stream is truncated."""
        if self._is_open and self._has_data:
            raise EOFError("truncated gzip")

    def _end_member(self) -> None:
        self._is_open = False
        self._empty = self._empty + 1 if self._is_empty else 0
        if self._empty > _MAX_EMPTY:
            raise zlib.error("too many empty members")


def _zeros_at(data: bytes, place: int) -> int:
    """The number of zero bytes from `place` on."""
    start = place
    while piece := data[place : place + _FIRST_PIECE]:
        zeros = len(piece) - len(piece.lstrip(b"\0"))
        place += zeros
        if zeros < len(piece):
            break
    return place - start

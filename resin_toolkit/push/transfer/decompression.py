"""Streams that may be compressed: which way, and what is in them."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import Protocol

CHUNK_SIZE = 256 * 1024
_MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2"}
MAGIC_SIZE = max(map(len, _MAGIC))
"""Bytes of a beginning that tell all kinds apart."""


class ZstandardDamaged(Exception):
    """Zstandard that cannot be unpacked."""


DECOMPRESSION_ERRORS = (EOFError, zlib.error, lzma.LZMAError, ZstandardDamaged)
"""What is raised for a compressed stream that is damaged or ends early; bzip2 also raises OSError."""


class Readable(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int, /) -> bytes: ...


def compression_format(beginning: bytes) -> str:
    """gzip, xz, zstd or bzip2; empty for what is not compressed."""
    return next((kind for magic, kind in _MAGIC.items() if beginning.startswith(magic)), "")


def decompressed(source: Readable) -> Readable:
    """What is in `source`, which may be compressed."""
    begun = PeekableStream(b"", source)
    kind = compression_format(begun.peek(MAGIC_SIZE))
    if kind == "gzip":
        return GzipStream(begun)
    if kind == "xz":
        return lzma.open(begun)  # type: ignore[call-overload,no-any-return]
    if kind == "zstd":
        return _Zstandard(begun)
    return bz2.open(begun) if kind == "bzip2" else begun  # type: ignore[call-overload]


class _Zstandard:
    """What is in Zstandard, which may have several frames."""

    def __init__(self, source: PeekableStream) -> None:
        import zstandard

        decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
        self._error = zstandard.ZstdError
        self._reader = decompressor.stream_reader(source, read_across_frames=True, closefd=False)  # type: ignore[arg-type]

    def read(self, size: int, /) -> bytes:
        try:
            return self._reader.read(size)
        except self._error as error:
            raise ZstandardDamaged(str(error)) from error


class PeekableStream:
    """A stream of which the beginning was read already. It gives what it is asked for, up to its end."""

    def __init__(self, beginning: bytes, source: Readable) -> None:
        self._pending = beginning
        self._source = source

    def read(self, size: int = CHUNK_SIZE, /) -> bytes:
        """So many bytes, fewer at the end alone."""
        taken = self.peek(size)
        self._pending = self._pending[size:]
        return taken

    def peek(self, size: int) -> bytes:
        """The same, which `read` gives again."""
        while len(self._pending) < size and (data := self._source.read(CHUNK_SIZE)):
            self._pending += data
        return self._pending[:size]


class GzipStream:
    """What is in gzip, which may have several members. A stream that ends early raises EOFError."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._pieces: Iterator[bytes] = self._all()

    def read(self, size: int, /) -> bytes:  # noqa: ARG002 - gives what there is
        return next(self._pieces, b"")

    def _all(self) -> Iterator[bytes]:
        unzip = GzipDecompressor()
        while data := self._source.read(CHUNK_SIZE):
            yield from unzip.feed(data)
        unzip.end()


class GzipDecompressor:
    """Takes gzip piece by piece."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(31)
        self._is_open = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What is in the next piece, in pieces of bounded size. Raises zlib.error."""
        while data:
            self._is_open = True
            if made := self._member.decompress(data, CHUNK_SIZE):
                yield made
            data = self._member.unconsumed_tail
            if self._member.eof:
                data = self._member.unused_data.lstrip(b"\0")
                self._member, self._is_open = zlib.decompressobj(31), False

    def end(self) -> None:
        """Raises EOFError where it is not whole."""
        if self._is_open:
            raise EOFError("gzip that ends early")

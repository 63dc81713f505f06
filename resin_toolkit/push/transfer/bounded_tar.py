"""The members of a tar archive that anybody may have made, read with bounded memory.

Python's tarfile keeps every member, and reads names, PAX headers and maps of sparse files of any length.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from resin_toolkit.push.transfer.decompression import CHUNK_SIZE, PeekableStream, Readable

MAX_MEMBERS = 20_000
"""An image has some dozens of files."""
_MAX_HEADERS = 256 * 1024
"""Bytes of the headers of one member, with its name and its extended headers."""
_MAX_NAME = 1024


class TooLarge(Exception):
    """The archive has more, or longer, members than an image; the message is a clause."""


def read_members(
    source: Readable, seek: Callable[[int], object] | None = None
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Each member of a tar archive, in order; its content can be read until the next one is.

    `source` is at its start; `seek` moves it to an offset, if it is a file. Raises TooLarge and
    tarfile.TarError.
    """
    stream = _TarStream(source, seek)
    stream.start_headers()
    with _headers_as_errors():
        # This reads the first member.
        archive = tarfile.TarFile(fileobj=cast(BinaryIO, stream), mode="r")
    with archive as tar:
        for _ in range(MAX_MEMBERS):
            with _headers_as_errors():
                member = tar.next()
            if member is None:
                return
            if member.size < 0:
                raise tarfile.ReadError("negative size")
            if max(len(member.name), len(member.linkname)) > _MAX_NAME:
                raise TooLarge(f"it has a file whose name is longer than {_MAX_NAME} characters")
            stream.end_headers()
            yield tar, member
            tar.members.clear()  # type: ignore[attr-defined]  # documented, but not in typeshed
            stream.start_headers()
    raise TooLarge(f"it has more than {MAX_MEMBERS} files")


@contextmanager
def _headers_as_errors() -> Iterator[None]:
    """Turn what tarfile raises for extended headers with other text than numbers, or without end."""
    try:
        yield
    except (ValueError, OverflowError, LookupError, RecursionError) as error:
        raise tarfile.ReadError("invalid header") from error


class _TarStream:
    """A file object for tarfile that only moves forward, and bounds what is read for a member's headers."""

    def __init__(self, source: Readable, seek: Callable[[int], object] | None) -> None:
        self._source = source if seek is not None else PeekableStream(b"", source)
        self._seek = seek
        self._position = 0
        self._left: int | None = None
        """The bytes that may still be read for headers; None within the content of a member."""

    def start_headers(self) -> None:
        self._left = _MAX_HEADERS

    def end_headers(self) -> None:
        self._left = None

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        """Skip to a later position; without a way to seek, ends before it if the archive does."""
        if self._seek is not None and position > self._position:
            self._seek(position)
            self._position = position
        while self._position < position:
            if not self._take(min(CHUNK_SIZE, position - self._position)):
                break
        return self._position

    def read(self, size: int) -> bytes:
        if self._left is not None:
            if size > self._left:
                raise TooLarge(f"the headers of a file are longer than {_MAX_HEADERS} bytes")
            self._left -= size
        pieces = []
        while size:
            data = self._take(min(size, CHUNK_SIZE))
            if not data:
                break
            pieces.append(data)
            size -= len(data)
        return b"".join(pieces)

    def _take(self, size: int) -> bytes:
        data = self._source.read(size)
        self._position += len(data)
        return data

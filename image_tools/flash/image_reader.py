"""An image as a stream whose start can be read in advance."""

from __future__ import annotations

import io
import tempfile
from typing import IO, BinaryIO, cast

from image_tools.block_map import BlockMap
from image_tools.source import Source
from image_tools.temporary_files import large_temporary_folder
from image_tools.usage import Everything, StreamUsage, Usage, usage_of_file
from resin_toolkit.errors import from_os_error

IN_MEMORY = 64 * 1024 * 1024
"""Data decompressed in advance is kept in memory up to this size, beyond that in a temporary file."""
_PIECE = 1024 * 1024


class ImageReader:
    """A source that is read once, but may be read in advance with `at`; that data is streamed again later.

    Use it in a `with` block. The source stays open.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._kept: IO[bytes] | None = None
        self._kept_length = 0
        self._ended = False
        self._position = 0

    @property
    def known_size(self) -> int | None:
        """The size of the image in bytes, if known yet."""
        if self.source.size is not None:
            return self.source.size
        return self._kept_length if self._ended else None

    def at(self, offset: int, length: int) -> bytes:
        """Bytes of the image, fewer at its end; decompresses as far as necessary."""
        if self.source.is_random_access:
            found = bytearray(length)
            count = self.source.read_at(memoryview(found), offset)
            return bytes(found[:count])
        self.keep(offset + length)
        if self._kept is None or offset >= self._kept_length:
            return b""
        self._kept.seek(offset)
        return self._kept.read(min(length, self._kept_length - offset))

    def keep(self, length: int) -> bool:
        """Decompress at least the first `length` bytes; returns whether the image has that many."""
        if self.source.is_random_access:
            return length <= (self.source.size or 0)
        if self._kept is None:
            folder = large_temporary_folder()
            spool = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=folder)  # noqa: SIM115 - closed with the reader
            self._kept = cast(IO[bytes], spool)
        buffer = memoryview(bytearray(_PIECE))
        self._kept.seek(self._kept_length)
        while self._kept_length < length and not self._ended:
            count = self.source.readinto(buffer)
            self._ended = count < len(buffer)
            try:
                self._kept.write(buffer[:count])
            except OSError as error:
                raise from_os_error(error, large_temporary_folder()) from error
            self._kept_length += count
        return length <= self._kept_length

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` with the next bytes, and return the count; short only at the end of the image."""
        done = 0
        if self._kept is not None and self._position < self._kept_length:
            self._kept.seek(self._position)
            wanted = min(len(buffer), self._kept_length - self._position)
            while done < wanted:
                part = self._kept.read(min(_PIECE, wanted - done))
                buffer[done : done + len(part)] = part
                done += len(part)
        if done < len(buffer) and not self._ended:
            done += self.source.readinto(buffer[done:])
        self._position += done
        return done

    def view(self, size: int) -> BinaryIO:
        """The first `size` bytes of the image as a seekable file."""
        return cast(BinaryIO, _View(self, size))

    def usage(self, *, full: bool, block_map: BlockMap | None) -> Usage:
        """The parts of the image that must be written. Does not verify the checksums of a block map."""
        if full:
            return Everything()
        mapped = None if block_map is None else [(part.start, part.end) for part in block_map.ranges]
        if self.source.is_random_access:
            size = self.source.size or 0
            return usage_of_file(self.view(size), size, holes=self.source.holes(), mapped=mapped)
        return StreamUsage(self.source.size, mapped=mapped)

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()

    def __enter__(self) -> ImageReader:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()


class _View(io.RawIOBase):
    def __init__(self, reader: ImageReader, size: int) -> None:
        self._reader = reader
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._position)
        data = self._reader.at(self._position, left if size < 0 else min(size, left))
        self._position += len(data)
        return data

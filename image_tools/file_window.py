"""A stretch of a file that can be read anywhere in it and never outside it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from resin_toolkit.errors import from_os_error


@dataclass(frozen=True)
class Window:
    """`size` bytes at `offset` of a seekable binary file; positions are relative to the offset."""

    file: BinaryIO
    offset: int
    size: int

    def read(self, position: int, length: int) -> bytes:
        """The bytes at `position`; fewer than `length` where the window or the file ends before.

        Raises what `from_os_error` makes of an error of the medium.
        """
        if position < 0:
            return b""
        # A block device refuses to seek past its end, and numbers found on a disk may be of any size.
        wanted = min(length, self.size - position)
        if wanted <= 0:
            return b""
        parts = bytearray()
        try:
            self.file.seek(self.offset + position)
            while len(parts) < wanted:
                part = self.file.read(wanted - len(parts))
                if not part:
                    break
                parts += part
        except OSError as error:
            raise from_os_error(error) from error
        return bytes(parts)


def size_of(file: BinaryIO) -> int:
    """The size in bytes of a file or block device, found by seeking to its end."""
    try:
        return file.seek(0, io.SEEK_END)
    except OSError as error:
        raise from_os_error(error) from error


def window_of(file: BinaryIO, offset: int, size: int) -> Window:
    """The part of `size` bytes at `offset` that the file really has."""
    return Window(file, offset, max(0, min(size, size_of(file) - offset)))

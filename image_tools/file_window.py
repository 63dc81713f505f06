"""A part of a file that is read at positions relative to its start."""

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
        """The bytes at `position`; fewer than `length` if the window or the file ends early.

        Raises the error of an OSError.
        """
        if position < 0:
            return b""
        # A block device refuses to seek past its end, and offsets read from a disk may be arbitrary.
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
    """The `size` bytes at `offset`, limited to the end of the file."""
    return Window(file, offset, max(0, min(size, size_of(file) - offset)))

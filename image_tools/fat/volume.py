"""The bytes of one FAT volume: positioned reads and writes in a file object, and a rehearsal of them."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from resin_toolkit.errors import FileSystemDamaged

REHEARSAL_BLOCK = 512


class Volume:
    """A window of `size` bytes at `offset` into a seekable binary file; positions are relative to it."""

    is_rehearsal = False

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = file
        self._offset = offset
        self.size = size

    def read(self, position: int, length: int) -> bytes:
        """Exactly `length` bytes; raises FileSystemDamaged where the file ends before them."""
        self._file.seek(self._offset + position)
        parts = bytearray()
        while len(parts) < length:
            part = self._file.read(length - len(parts))
            if not part:
                raise FileSystemDamaged(
                    f"The image has ended inside its FAT file system, at byte {self._offset + position}.",
                    hint="The image is truncated: get it again.",
                )
            parts += part
        return bytes(parts)

    def write(self, position: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data`; never outside the volume."""
        if position < 0 or position + len(data) > self.size:
            raise AssertionError(f"write outside the volume: {position}+{len(data)} of {self.size}")
        self._file.seek(self._offset + position)
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            rest = rest[written:]

    def flush(self) -> None:
        """Return once everything written so far is on the medium, as far as the file object can tell."""
        self._file.flush()
        try:
            number = self._file.fileno()
        except (io.UnsupportedOperation, AttributeError):
            return
        # The length of an image never changes, so its other metadata need not be waited for.
        (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(number)


class Rehearsal(Volume):
    """A volume that reads from `base` and keeps what is written in memory, so that nothing is changed.

    Contents of files need not be written to it.
    """

    is_rehearsal = True

    def __init__(self, base: Volume) -> None:
        self._base = base
        self.size = base.size
        self._blocks: dict[int, bytearray] = {}

    def read(self, position: int, length: int) -> bytes:
        data = bytearray(self._base.read(position, length))
        first, last = position // REHEARSAL_BLOCK, (position + length - 1) // REHEARSAL_BLOCK
        for number in range(first, last + 1) if self._blocks else ():
            block = self._blocks.get(number)
            if block is None:
                continue
            start = max(position, number * REHEARSAL_BLOCK)
            end = min(position + length, (number + 1) * REHEARSAL_BLOCK)
            within = start - number * REHEARSAL_BLOCK
            data[start - position : end - position] = block[within : within + end - start]
        return bytes(data)

    def write(self, position: int, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            number, within = divmod(position, REHEARSAL_BLOCK)
            part = rest[: REHEARSAL_BLOCK - within]
            block = self._blocks.get(number)
            if block is None:
                length = min(REHEARSAL_BLOCK, self.size - number * REHEARSAL_BLOCK)
                block = self._blocks[number] = bytearray(self._base.read(number * REHEARSAL_BLOCK, length))
            block[within : within + len(part)] = part
            position += len(part)
            rest = rest[len(part) :]

    def flush(self) -> None:
        pass

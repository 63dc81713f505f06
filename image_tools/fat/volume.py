"""Reads and writes within a FAT volume, and a dry run of them in memory."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from resin_toolkit.errors import FileSystemDamaged

DRY_RUN_BLOCK = 512


class Volume:
    """`size` bytes at `offset` of a seekable binary file; positions are relative to `offset`."""

    is_dry_run = False

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file = file
        self._offset = offset
        self.size = size

    def read(self, position: int, length: int) -> bytes:
        """Exactly `length` bytes; raises FileSystemDamaged if the file ends early."""
        self._file.seek(self._offset + position)
        parts = bytearray()
        while len(parts) < length:
            part = self._file.read(length - len(parts))
            if not part:
                raise FileSystemDamaged(
                    f"The image ends inside its FAT file system, at byte {self._offset + position}.",
                    hint="The image is truncated: download it again.",
                )
            parts += part
        return bytes(parts)

    def write(self, position: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data`, which must be inside the volume."""
        if position < 0 or position + len(data) > self.size:
            raise AssertionError(f"write outside the volume: {position}+{len(data)} of {self.size}")
        self._file.seek(self._offset + position)
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            rest = rest[written:]

    def flush(self) -> None:
        """Flush all writes to the medium, if the file object has a descriptor."""
        self._file.flush()
        try:
            number = self._file.fileno()
        except (io.UnsupportedOperation, AttributeError):
            return
        # The size of an image never changes, so its metadata need not be flushed.
        (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(number)


class DryRunVolume(Volume):
    """A volume that reads from `base` and keeps all writes in memory.

    File contents need not be written to it.
    """

    is_dry_run = True

    def __init__(self, base: Volume) -> None:
        self._base = base
        self.size = base.size
        self._blocks: dict[int, bytearray] = {}

    def read(self, position: int, length: int) -> bytes:
        data = bytearray(self._base.read(position, length))
        first, last = position // DRY_RUN_BLOCK, (position + length - 1) // DRY_RUN_BLOCK
        for number in range(first, last + 1) if self._blocks else ():
            block = self._blocks.get(number)
            if block is None:
                continue
            start = max(position, number * DRY_RUN_BLOCK)
            end = min(position + length, (number + 1) * DRY_RUN_BLOCK)
            within = start - number * DRY_RUN_BLOCK
            data[start - position : end - position] = block[within : within + end - start]
        return bytes(data)

    def write(self, position: int, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            number, within = divmod(position, DRY_RUN_BLOCK)
            part = rest[: DRY_RUN_BLOCK - within]
            block = self._blocks.get(number)
            if block is None:
                length = min(DRY_RUN_BLOCK, self.size - number * DRY_RUN_BLOCK)
                block = self._blocks[number] = bytearray(self._base.read(number * DRY_RUN_BLOCK, length))
            block[within : within + len(part)] = part
            position += len(part)
            rest = rest[len(part) :]

    def flush(self) -> None:
        pass

"""Changes to an image, kept in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BLOCK = 512


class Overlay(io.RawIOBase):
    """A file that reads from `base` and keeps all writes in memory.

    Its length is fixed to that of `base`.
    """

    def __init__(self, base: BinaryIO) -> None:
        self._base = base
        self._size = base.seek(0, io.SEEK_END)
        self._position = 0
        self._blocks: dict[int, bytearray] = {}

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
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
        data = self.bytes_at(self._position, left if size < 0 else min(size, left))
        self._position += len(data)
        return data

    def write(self, data: ReadableBuffer) -> int:
        content = memoryview(data).cast("B")
        if self._position + len(content) > self._size:
            raise AssertionError(f"write beyond the image: {self._position}+{len(content)} of {self._size}")
        position, rest = self._position, content
        while rest:
            number, within = divmod(position, BLOCK)
            part = rest[: BLOCK - within]
            self._block(number)[within : within + len(part)] = part
            position += len(part)
            rest = rest[len(part) :]
        self._position = position
        return len(content)

    def bytes_at(self, offset: int, length: int) -> bytes:
        """The bytes of `base` with the changes applied; fewer at its end."""
        self._base.seek(offset)
        data = bytearray(self._base.read(length))
        if self._blocks:
            for number in range(offset // BLOCK, -(-(offset + len(data)) // BLOCK)):
                block = self._blocks.get(number)
                if block is None:
                    continue
                start = max(offset, number * BLOCK)
                end = min(offset + len(data), number * BLOCK + len(block))
                within = start - number * BLOCK
                data[start - offset : end - offset] = block[within : within + end - start]
        return bytes(data)

    def changes(self) -> list[tuple[int, bytes]]:
        """The changes in whole blocks, as ascending (offset, bytes) that are not adjacent."""
        found: list[tuple[int, bytearray]] = []
        for number in sorted(self._blocks):
            offset, block = number * BLOCK, self._blocks[number]
            if found and found[-1][0] + len(found[-1][1]) == offset:
                found[-1][1].extend(block)
            else:
                found.append((offset, bytearray(block)))
        return [(offset, bytes(data)) for offset, data in found]

    def _block(self, number: int) -> bytearray:
        block = self._blocks.get(number)
        if block is None:
            self._base.seek(number * BLOCK)
            block = self._blocks[number] = bytearray(self._base.read(BLOCK))
        return block


def with_changes(data: bytes, offset: int, changes: Iterable[tuple[int, bytes]]) -> bytes:
    """Apply the changes (offset, bytes) to `data`, which is at `offset`."""
    result = bytearray(data)
    for place, content in changes:
        start, end = max(place, offset), min(place + len(content), offset + len(data))
        if start < end:
            result[start - offset : end - offset] = content[start - place : end - place]
    return bytes(result)

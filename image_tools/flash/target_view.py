"""A target as a readable file, while its head is not written yet."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from image_tools.flash.direct_io import BLOCK, buffers, read_all, round_up
from image_tools.flash.io_errors import medium_failure
from image_tools.flash.target import Target

_WINDOW = 256 * 1024


def target_view(target: Target, head: bytes, size: int) -> BinaryIO:
    """The first `size` bytes of the target, starting with `head` instead of what is there; read-only."""
    return cast(BinaryIO, _TargetView(target, head, size))


class _TargetView(io.RawIOBase):
    def __init__(self, target: Target, head: bytes, size: int) -> None:
        self._target = target
        self._head = head
        self._size = size
        self._position = 0
        [self._buffer] = buffers(1, _WINDOW + 2 * BLOCK)

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
        wanted = left if size < 0 else min(size, left)
        parts = bytearray()
        while len(parts) < wanted:
            part = self._at(self._position + len(parts), wanted - len(parts))
            if not part:
                break
            parts += part
        self._position += len(parts)
        return bytes(parts)

    def _at(self, offset: int, length: int) -> bytes:
        if offset < len(self._head):
            return self._head[offset : offset + length]
        lead = offset % BLOCK
        length = min(length, _WINDOW)
        try:
            got = read_all(
                self._target.descriptor,
                self._buffer[: round_up(lead + length, BLOCK)],
                offset - lead,
                lead + length,
            )
        except OSError as error:
            raise medium_failure(error, self._target.path, offset, "read back") from error
        return bytes(self._buffer[lead : min(got, lead + length)])

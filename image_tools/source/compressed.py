"""The bytes of an image's own file, in order, counted and hashed as they are taken."""

from __future__ import annotations

from io import FileIO
from typing import Any

from resin_toolkit.errors import ImageDamaged, from_os_error

CHUNK = 256 * 1024


class Compressed:
    """A stream that can be peeked at and pushed back into, and that need not be seekable.

    `file` is unbuffered. `consumed` counts the bytes taken. `digest`, of hashlib, is None until
    `start_digest`; then all of the file goes through it, once and in order.
    """

    def __init__(self, file: FileIO, name: str) -> None:
        self.file = file
        self.name = name
        self.consumed = 0
        self.digest: Any = None
        self._rest = b""
        self._place = 0
        """How much of `_rest` was taken; it is not cut for each of many small parts."""

    def start_digest(self) -> None:
        """Take the SHA-256 of the file along the way; nothing but `peek` may have been called before."""
        import hashlib

        self.digest = hashlib.sha256(self._rest)

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end; they are not taken."""
        while len(self._rest) - self._place < count:
            more = self._read(CHUNK)
            if not more:
                break
            self._rest, self._place = self._rest[self._place :] + more, 0
        return self._rest[self._place : self._place + count]

    def take(self) -> bytes:
        """The next bytes, as many as come at once; none at the end."""
        data = self._rest[self._place :] or self._read(CHUNK)
        self._rest, self._place = b"", 0
        self.consumed += len(data)
        return data

    def take_exactly(self, count: int) -> bytes:
        """The next `count` bytes; raises ImageDamaged when the file ends before."""
        data = self.peek(count)
        if len(data) < count:
            raise self.ends_early()
        self._place += count
        self.consumed += count
        return data

    def take_into(self, buffer: memoryview) -> int:
        """Like `take`, into `buffer`, without a copy where nothing was peeked."""
        if self._place < len(self._rest):
            data = self._rest[self._place : self._place + len(buffer)]
            count = len(data)
            buffer[:count] = data
            self._place += count
        else:
            count = self._read_into(buffer)
        self.consumed += count
        return count

    def give_back(self, data: bytes) -> None:
        """Put back bytes that were taken beyond the end of a member; they are not counted twice."""
        self._rest, self._place = data + self._rest[self._place :], 0
        self.consumed -= len(data)

    def ends_early(self) -> ImageDamaged:
        return ImageDamaged(
            f"{self.name} is cut off: it ends before its own data does.", hint="Download or copy it again."
        )

    def _read(self, count: int) -> bytes:
        try:
            data = self.file.read(count)
        except OSError as error:
            raise from_os_error(error, self.name) from error
        if self.digest is not None:
            self.digest.update(data)
        return data

    def _read_into(self, buffer: memoryview) -> int:
        try:
            count = self.file.readinto(buffer)
        except OSError as error:
            raise from_os_error(error, self.name) from error
        if self.digest is not None:
            self.digest.update(buffer[:count])
        return count

"""The file of an image, compressed or not, as a stream with a byte count and a digest."""

from __future__ import annotations

from io import FileIO
from typing import Any

from resin_toolkit.errors import ImageDamaged, from_os_error

READ_SIZE = 256 * 1024


class InputFile:
    """A stream with peek and push-back that need not be seekable.

    `file` is unbuffered. `consumed` counts the bytes taken. `digest`, an object of hashlib, is None until
    `start_digest`; from then on the whole file goes through it, once and in order.
    """

    def __init__(self, file: FileIO, name: str) -> None:
        self.file = file
        self.name = name
        self.consumed = 0
        self.digest: Any = None
        self._rest = b""
        self._place = 0
        """The offset in `_rest`, which is not sliced for each small read."""

    def start_digest(self) -> None:
        """Compute the SHA-256 of the file from now on; only `peek` may have been called before."""
        import hashlib

        self.digest = hashlib.sha256(self._rest)

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end, without taking them."""
        while len(self._rest) - self._place < count:
            more = self._read(READ_SIZE)
            if not more:
                break
            self._rest, self._place = self._rest[self._place :] + more, 0
        return self._rest[self._place : self._place + count]

    def take(self, limit: int = READ_SIZE) -> bytes:
        """The next available bytes, at most `limit`; empty at the end."""
        if self._place >= len(self._rest):
            self._rest, self._place = self._read(READ_SIZE), 0
        data = self._rest[self._place : self._place + limit]
        self._place += len(data)
        self.consumed += len(data)
        return data

    def take_exactly(self, count: int) -> bytes:
        """The next `count` bytes; raises ImageDamaged if the file ends early."""
        data = self.peek(count)
        if len(data) < count:
            raise self.truncated_error()
        self._place += count
        self.consumed += count
        return data

    def take_into(self, buffer: memoryview) -> int:
        """Like `take`, into `buffer`; avoids a copy unless bytes were peeked."""
        if self._place < len(self._rest):
            data = self._rest[self._place : self._place + len(buffer)]
            count = len(data)
            buffer[:count] = data
            self._place += count
        else:
            count = self._read_into(buffer)
        self.consumed += count
        return count

    def push_back(self, data: bytes) -> None:
        """Push back the end of what was taken last, beyond the end of a member; it is not counted twice."""
        assert len(data) <= self._place
        self._place -= len(data)
        self.consumed -= len(data)

    def truncated_error(self) -> ImageDamaged:
        return ImageDamaged(f"{self.name} is truncated.", hint="Download or copy it again.")

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

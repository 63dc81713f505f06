"""Small changes to what a flash has written, read back from the medium like everything else."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from image_tools.flash.direct import BLOCK, buffers, read_all, round_up, spans
from image_tools.flash.target import State, Target
from image_tools.flash.write import CHUNK, medium_failure, write_failure
from resin_toolkit.errors import Notice, VerifyFailed, from_os_error

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

T = TypeVar("T")


def edit_written(target: Target, edit: Callable[[BinaryIO], T]) -> T:
    """Let `edit` change what is on `target`, flush it, and read every changed extent back past the cache.

    `edit` gets a seekable file that is unbuffered and takes reads and writes of any length. Returns what it
    returns. Raises VerifyFailed with the `offset` of the first byte that differs and the `count` of those
    that do, IoFailed, DriveNotFound, and what `edit` raises.
    """
    try:
        descriptor = target.open_buffered()
    except OSError as error:
        raise from_os_error(error, target.path) from error
    with _Recorded(target, descriptor) as file:
        result = edit(cast(BinaryIO, file))
        file.flush()
        extents = merged(file.writes)
    _verify(target, extents)
    return result


@dataclass(frozen=True)
class Extent:
    """Bytes that were written at an offset."""

    offset: int
    content: bytes | bytearray

    @property
    def end(self) -> int:
        return self.offset + len(self.content)


def merged(writes: list[Extent]) -> list[Extent]:
    """What a sequence of writes leaves, as extents in order that neither overlap nor touch."""
    bounds: list[list[int]] = []
    for offset, end in sorted((write.offset, write.end) for write in writes):
        if bounds and offset <= bounds[-1][1]:
            bounds[-1][1] = max(bounds[-1][1], end)
        else:
            bounds.append([offset, end])
    extents = [Extent(start, bytearray(end - start)) for start, end in bounds]
    starts = [extent.offset for extent in extents]
    for write in writes:
        extent = extents[_last_not_after(starts, write.offset)]
        place = write.offset - extent.offset
        memoryview(extent.content)[place : place + write.end - write.offset] = write.content
    return extents


class _Recorded(io.RawIOBase):
    """The target as a file that remembers what was written where."""

    def __init__(self, target: Target, descriptor: int) -> None:
        self._target = target
        self._descriptor = descriptor
        self._position = 0
        self.writes: list[Extent] = []

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            offset += os.lseek(self._descriptor, 0, io.SEEK_END)
        elif whence == io.SEEK_CUR:
            offset += self._position
        if offset < 0:
            raise ValueError(f"a negative position: {offset}")
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            count = os.preadv(self._descriptor, [buffer], self._position)
        except OSError as error:
            raise medium_failure(error, self._target, self._position, "read") from error
        self._position += count
        return count

    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`, which is remembered as it is now."""
        content = bytes(data)
        written = 0
        self._target.state = State.PARTIAL
        try:
            while written < len(content):
                written += os.pwrite(self._descriptor, content[written:], self._position + written)
        except OSError as error:
            raise write_failure(error, self._target, self._position + written) from error
        if content:
            self.writes.append(Extent(self._position, content))
        self._position += len(content)
        return len(content)

    def truncate(self, size: int | None = None) -> int:  # noqa: ARG002
        raise io.UnsupportedOperation("a drive keeps its size")

    def flush(self) -> None:
        """Return when all that was written is on the medium, so that writes keep their order after a cut."""
        if self.closed:
            return
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise medium_failure(error, self._target, self._position, "flushed") from error

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)


def _verify(target: Target, extents: list[Extent]) -> None:
    reading = target.drop_cache()
    if not reading.past_cache:
        notice = Notice(
            "edit-read-back-cached",
            f"The changes on {target.path} were read back, but maybe from the page cache: {reading.reason}.",
        )
        target.notices.append(notice)
    [buffer] = buffers(1, CHUNK)
    first, count = None, 0
    for extent in extents:
        for offset, length in spans(extent.offset, extent.end, CHUNK - 2 * BLOCK):
            place = offset - extent.offset
            wanted = memoryview(extent.content)[place : place + length]
            back = _read_back(target, buffer, offset, length)
            if back == wanted:
                continue
            different = _different(bytes(wanted), bytes(back))
            first = offset + different[0] if first is None else first
            count += len(different)
    if first is None:
        target.state = State.COMPLETE
        return
    raise VerifyFailed(
        f"{target.path} does not hold the changes that were made to it: {count} bytes differ, "
        f"the first at byte {first}.",
        hint="Write it again; if it fails again, the card, the reader or its cable is bad.",
        offset=first,
        exact=True,
        count=count,
    )


def _read_back(target: Target, buffer: memoryview, offset: int, length: int) -> memoryview:
    """Direct reads are of whole blocks."""
    lead = offset % BLOCK
    whole = round_up(lead + length, BLOCK)
    try:
        count = read_all(target.descriptor, buffer[:whole], offset - lead, lead + length)
    except OSError as error:
        raise medium_failure(error, target, offset, "read back") from error
    return buffer[lead : min(count, lead + length)]


def _different(wanted: bytes, back: bytes) -> list[int]:
    """The places that differ; what is missing at the end differs too."""
    places = [place for place, (one, other) in enumerate(zip(wanted, back, strict=False)) if one != other]
    return places + list(range(len(back), len(wanted)))


def _last_not_after(starts: list[int], offset: int) -> int:
    from bisect import bisect_right

    return bisect_right(starts, offset) - 1

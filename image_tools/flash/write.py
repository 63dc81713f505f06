"""The first half of a flash: read, hash and write overlap, over a fixed pool of page-aligned buffers."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_tools.flash.direct import BLOCK, buffers, round_up, write_all
from image_tools.flash.pipeline import Channel, Pipeline
from image_tools.flash.target import State, Target
from image_tools.source import Source
from resin_toolkit.errors import DriveNotFound, IoFailed, NoSpace, Refused, ResinError, from_os_error
from resin_toolkit.progress import Progress

CHUNK = 4 * 1024 * 1024
POOL = 8
GRAIN = 64 * 1024
"""A hash is kept of each so many bytes, so that a difference is found to that precision."""


@dataclass(frozen=True)
class Record:
    """What was written: `size` bytes of image, `stored` bytes on the target with the padding to whole blocks.

    `grains` holds an xxh3-128 of each `GRAIN` bytes of what is stored; `sha256` is the image's, if asked for.
    """

    size: int
    stored: int
    grains: bytes
    sha256: str | None


@dataclass(frozen=True)
class Chunk:
    """`length` bytes of the image in `buffer`, which belong at `offset`; a length of 0 is the end."""

    buffer: memoryview
    offset: int
    length: int
    consumed: int
    """How much of the file that it comes in had been used by then."""


def grain_hashes(data: memoryview) -> bytes:
    """The hashes of all grains of `data`, one after the other."""
    from xxhash import xxh3_128_digest

    return b"".join(xxh3_128_digest(data[start : start + GRAIN]) for start in range(0, len(data), GRAIN))


def write_image(source: Source, target: Target, progress: Progress, *, digest: bool = False) -> Record:
    """Write all of `source` to the start of `target` and flush it; no stale bytes stay in the last block."""
    writer = _Writing(source, target, digest=digest)
    name, total = "writing", source.size
    if total is None and source.stored_size is not None:
        name, total = "writing, by compressed size", source.stored_size
    in_stored_bytes = source.size is None and source.stored_size is not None
    with progress.step(name, total) as step:
        shown = 0
        with Pipeline() as pipeline:
            written = writer.start(pipeline)
            while (chunk := written.get()).length:
                done = chunk.consumed if in_stored_bytes else chunk.offset + chunk.length
                step.advance(done - shown)
                shown = done
        target.truncate(writer.size)
        target.flush()
    return writer.record()


class _Writing:
    """One run of the three stages. A buffer is free again only when it is hashed and written."""

    def __init__(self, source: Source, target: Target, *, digest: bool) -> None:
        self.size = 0
        self._source = source
        self._target = target
        self._grains: list[bytes] = []
        self._sha256: Any = None
        if digest:
            import hashlib

            self._sha256 = hashlib.sha256()

    def start(self, pipeline: Pipeline) -> Channel[Chunk]:
        """Start the stages; each chunk comes out of the channel when it is written, the end too."""
        free = pipeline.channel(memoryview)
        filled, hashed, written = (pipeline.channel(Chunk) for _ in range(3))
        for buffer in buffers(POOL, CHUNK):
            free.put(buffer)
        pipeline.stage("flash-write", lambda: self._write(hashed, written, free))
        pipeline.stage("flash-hash", lambda: self._hash(filled, hashed))
        pipeline.stage("flash-read", lambda: self._read(free, filled), may_wait=True)
        return written

    def record(self) -> Record:
        sha256 = self._sha256.hexdigest() if self._sha256 is not None else None
        return Record(self.size, self._stored(self.size), b"".join(self._grains), sha256)

    def _read(self, free: Channel[memoryview], filled: Channel[Chunk]) -> None:
        offset = 0
        length = CHUNK
        while length:
            buffer = free.get()
            length = self._source.readinto(buffer)
            filled.put(Chunk(buffer, offset, length, self._source.consumed))
            offset += length

    def _hash(self, filled: Channel[Chunk], hashed: Channel[Chunk]) -> None:
        while (chunk := filled.get()).length:
            self.size = chunk.offset + chunk.length
            if self._sha256 is not None:
                self._sha256.update(chunk.buffer[: chunk.length])
            # A last block that is not full is written whole: zeros, not what the buffer held before.
            padded = round_up(chunk.length, max(BLOCK, self._target.block))
            chunk.buffer[chunk.length : padded] = bytes(padded - chunk.length)
            stored = self._stored(self.size) - chunk.offset
            self._grains.append(grain_hashes(chunk.buffer[:stored]))
            hashed.put(chunk)
        hashed.put(chunk)

    def _write(self, hashed: Channel[Chunk], written: Channel[Chunk], free: Channel[memoryview]) -> None:
        while (chunk := hashed.get()).length:
            self._write_chunk(chunk)
            free.put(chunk.buffer)
            written.put(chunk)
        written.put(chunk)

    def _write_chunk(self, chunk: Chunk) -> None:
        target = self._target
        length = round_up(chunk.length, target.block if target.direct or target.is_drive else 1)
        if target.capacity is not None and chunk.offset + length > target.capacity:
            raise _too_small(target, target.capacity)
        target.state = State.PARTIAL
        try:
            write_all(target.descriptor, chunk.buffer[:length], chunk.offset)
        except OSError as error:
            if error.errno != errno.EINVAL or not target.direct:
                raise write_failure(error, target, chunk.offset) from error
            target.write_buffered("the system refuses it")
            self._write_chunk(chunk)

    def _stored(self, size: int) -> int:
        return round_up(size, self._target.block) if self._target.is_drive else size


def write_failure(error: OSError, target: Target, offset: int) -> ResinError:
    """What a failed write at `offset` means."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if target.is_drive:
            return _too_small(target, offset)
        return NoSpace(
            f"{target.path}: there was no room for more than {offset} bytes.",
            hint="Make room, or choose another place.",
            offset=offset,
        )
    return medium_failure(error, target, offset, "written")


def medium_failure(error: OSError, target: Target, offset: int, action: str) -> ResinError:
    """What an error of the medium means while a chunk at `offset` was "written" or "read back"."""
    if error.errno in (errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM) or not Path(target.path).exists():
        return DriveNotFound(
            f"{target.path} went away at byte {offset}.",
            hint="Check its connection, plug it in again and start over.",
            offset=offset,
        )
    if error.errno in (errno.EIO, errno.EREMOTEIO, errno.ETIMEDOUT):
        return IoFailed(
            f"{target.path} reports an I/O error: the {CHUNK // 1024**2} MiB at byte {offset} "
            f"cannot be {action}.",
            hint="The card, the reader or its cable is bad: try another one.",
            offset=offset,
        )
    return from_os_error(error, target.path)


def _too_small(target: Target, offset: int) -> Refused:
    return Refused(
        f"{target.path} is too small: it has {target.capacity} bytes and the image goes on.",
        hint="Choose a larger drive.",
        capacity=target.capacity,
        offset=offset,
    )

"""Reading, decompressing and hashing the image once for all targets.

Buffers are reused: one is free again when its contents are hashed and all writers have released it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from image_tools.block_map import BlockMap, RangeVerifier
from image_tools.byte_ranges import Range, subtracted
from image_tools.flash.bmap_verifier import BmapVerifier
from image_tools.flash.direct_io import BLOCK, CHUNK, buffers, spans
from image_tools.flash.flow_control import FlowControl
from image_tools.flash.image_reader import ImageReader
from image_tools.flash.pipeline import Channel, Pipeline
from image_tools.flash.write_record import Extent, extent_of
from image_tools.usage import StreamUsage, Usage
from resin_toolkit.errors import ImageDamaged

POOL = 8


@dataclass
class Chunk:
    """`length` bytes of the image at `offset`, in `buffer`; `extents` are the parts to write.

    `consumed` is the number of bytes of the compressed file consumed so far.
    """

    offset: int
    length: int
    consumed: int
    buffer: memoryview | None = None
    ranges: Sequence[Range] | None = None
    extents: Sequence[Extent] = ()
    users: int = 0

    def content(self, extent: Extent) -> memoryview:
        assert self.buffer is not None
        return self.buffer[extent.offset - self.offset : extent.end - self.offset]


@dataclass(frozen=True)
class EndOfImage:
    """The end of the image.

    `size` is in bytes; `extents` are all extents of the chunks; `held` are the (offset, bytes) that no chunk
    contains: each writer applies its own changes to them and writes them itself.
    """

    size: int
    extents: Sequence[Extent]
    held: Sequence[tuple[int, bytes]]
    sha256: str | None


class FeedConsumer(Protocol):
    """A writer, as the feed sees it."""

    @property
    def queue(self) -> Channel[Chunk | EndOfImage]: ...
    @property
    def alive(self) -> bool: ...

    pending: int

    @property
    def rate(self) -> float:
        """Bytes per second while it is working."""
        ...

    def exclude(self) -> None:
        """Send it no more data: it is much slower than the others."""
        ...


@dataclass
class ImageFeed:
    """Reads the image once. `held` are ascending ranges, aligned to hash blocks, that no chunk writes."""

    reader: ImageReader
    usage: Usage
    held: Sequence[Range]
    consumers: Sequence[FeedConsumer]
    pipeline: Pipeline
    digest: bool = False
    block_map: BlockMap | None = None
    """Its checksums are verified before a range is distributed; for a stream, as it is read."""
    bmap_verifier: BmapVerifier | None = None
    """Verifies the block map ahead of the reading."""
    check_digest: Callable[[str | None], None] = lambda _: None
    """Called with the SHA-256 of the image, if computed, before the writers finish; may raise."""
    _check: RangeVerifier | None = None
    _verified: Channel[object] | None = None
    _verified_up_to: int = 0
    _free: Channel[memoryview] = field(init=False)
    _filled: Channel[Chunk] = field(init=False)
    _lock: Lock = field(default_factory=Lock)
    _flow_control: FlowControl = field(default_factory=FlowControl)
    _extents: list[Extent] = field(default_factory=list)
    _parts: list[tuple[int, bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start reading. Each consumer receives the chunks in order, then EndOfImage."""
        self._free, self._filled = self.pipeline.channel(memoryview), self.pipeline.channel(Chunk)
        for buffer in buffers(POOL, CHUNK):
            self._free.put(buffer)
        if self.bmap_verifier is not None:
            self._verified = self.pipeline.channel(object)
            self.bmap_verifier.listen(self._verified.put)
        elif self.block_map is not None:
            self._check = RangeVerifier(self.block_map)
        self.pipeline.stage("flash-hash", self._hash)
        read = self._read_parts if self._skips_reading else self._read_all
        self.pipeline.stage("flash-read", read, may_block=True)

    def release(self, chunk: Chunk) -> None:
        """A consumer no longer needs the chunk."""
        with self._lock:
            chunk.users -= 1
            done = chunk.users == 0
        if done and chunk.buffer is not None:
            self._free.put(chunk.buffer)

    @property
    def _skips_reading(self) -> bool:
        """Whether unneeded parts are skipped while reading too."""
        return self.reader.source.is_random_access and not self.digest

    # the reading thread

    def _read_all(self) -> None:
        offset, length = 0, CHUNK
        while length == CHUNK:
            buffer = self._free_buffer()
            length = self.reader.readinto(buffer)
            self._filled.put(Chunk(offset, length, self.reader.source.consumed, buffer))
            offset += length
        if length:
            self._filled.put(Chunk(offset, 0, self.reader.source.consumed))

    def _read_parts(self) -> None:
        size = self.reader.source.size or 0
        for offset, length in spans(0, size, CHUNK):
            ranges = self._ranges_to_write(offset, offset + length)
            chunk = Chunk(offset, length, offset + length, ranges=ranges)
            if ranges:
                chunk.buffer = self._free_buffer()
                for start, end in ranges:
                    self._read_part(chunk.buffer[start - offset : end - offset], start)
            self._filled.put(chunk)
        for start, end in self.held:
            if start < size:
                self._parts.append((start, self.reader.at(start, min(end, size) - start)))
        last = size // BLOCK * BLOCK
        for start, end in subtracted([(last, size)], self.held):
            self._parts.append((start, self.reader.at(start, end - start)))
        self._filled.put(Chunk(size, 0, size))

    def _read_part(self, part: memoryview, start: int) -> None:
        if self.reader.source.read_at(part, start) < len(part):
            raise ImageDamaged(
                f"{self.reader.source.name} was truncated while it was being read.",
                hint="Make sure that no other program writes to it.",
            )

    def _free_buffer(self) -> memoryview:
        """A free buffer. Writers that make all others wait for too long are excluded."""
        started = time.monotonic()
        while (buffer := self._free.get_within(0.5)) is None:
            self._exclude_slow_writers(time.monotonic() - started)
            started = time.monotonic()
        self._exclude_slow_writers(time.monotonic() - started)
        return buffer

    def _exclude_slow_writers(self, waited: float) -> None:
        for consumer in self._flow_control.slow_workers(self.consumers, waited):
            consumer.exclude()
            while (chunk := consumer.queue.get_now()) is not None:
                if isinstance(chunk, Chunk):
                    self.release(chunk)

    # the hashing thread: decides what is needed

    def _hash(self) -> None:
        sha256 = _sha256() if self.digest else None
        chunk = self._filled.get()
        while chunk.length:
            if not self._skips_reading:
                self._inspect(chunk, sha256)
            elif chunk.ranges is not None:
                chunk.extents = self._extents_of(chunk, chunk.ranges)
            self._extents += chunk.extents
            self._wait_for_verifier(chunk.offset + chunk.length)
            self._distribute(chunk)
            chunk = self._filled.get()
        size = chunk.offset
        if isinstance(self.usage, StreamUsage):
            self.usage.finish()
        if self._check is not None:
            self._check.finish(size)
        self._wait_for_verifier(size)
        # Blocks were skipped according to bitmaps that were read before the rest.
        self.reader.source.check_unchanged()
        digest = sha256.hexdigest() if sha256 else None
        self.check_digest(digest)
        end_of_image = EndOfImage(size, self._extents, self._parts, digest)
        for consumer in self.consumers:
            consumer.queue.put(end_of_image)

    def _wait_for_verifier(self, end: int) -> None:
        """Wait until the block map is verified up to `end`."""
        while self._verified is not None and self._verified_up_to < min(end, self.reader.source.size or 0):
            verified = self._verified.get()
            if isinstance(verified, BaseException):
                raise verified
            assert isinstance(verified, int)
            self._verified_up_to = verified

    def _inspect(self, chunk: Chunk, sha256: Any) -> None:
        assert chunk.buffer is not None
        content = chunk.buffer[: chunk.length]
        if sha256 is not None:
            sha256.update(content)
        if self._check is not None:
            self._check.update(chunk.offset, content)
        if isinstance(self.usage, StreamUsage):
            self.usage.take(chunk.offset, content)
        end = chunk.offset + chunk.length
        for start, stop in self.held:
            if start < end and stop > chunk.offset:
                self._hold_back(chunk, max(start, chunk.offset), min(stop, end))
        for start, stop in subtracted([(end // BLOCK * BLOCK, end)], self.held):
            self._hold_back(chunk, start, stop)
        chunk.extents = self._extents_of(chunk, self._ranges_to_write(chunk.offset, end))

    def _ranges_to_write(self, start: int, end: int) -> list[Range]:
        """The ranges to write between `start` and `end`, in whole blocks."""
        return subtracted(self.usage.needed(start, end // BLOCK * BLOCK), self.held)

    def _hold_back(self, chunk: Chunk, start: int, end: int) -> None:
        assert chunk.buffer is not None
        part = bytes(chunk.buffer[start - chunk.offset : end - chunk.offset])
        if self._parts and self._parts[-1][0] + len(self._parts[-1][1]) == start:
            before, content = self._parts.pop()
            start, part = before, content + part
        self._parts.append((start, part))

    @staticmethod
    def _extents_of(chunk: Chunk, ranges: Sequence[Range]) -> list[Extent]:
        if chunk.buffer is None:
            return []
        content = chunk.buffer
        return [extent_of(start, content[start - chunk.offset : end - chunk.offset]) for start, end in ranges]

    def _distribute(self, chunk: Chunk) -> None:
        consumers = [consumer for consumer in self.consumers if consumer.alive]
        if not chunk.extents and chunk.buffer is not None:
            self._free.put(chunk.buffer)
            chunk.buffer = None
        chunk.users = len(consumers)
        if not consumers:
            self.pipeline.stop()
        for consumer in consumers:
            consumer.pending += 1
            consumer.queue.put(chunk)


def _sha256() -> Any:
    import hashlib

    return hashlib.sha256()

"""The image is read, unpacked and hashed once, for every drive that is written at the same time.

Pieces go round: a buffer is free again only when its content is hashed and every lane has let go of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from image_tools.block_map import BlockMap, RangeCheck
from image_tools.byte_ranges import Range, subtracted
from image_tools.flash.bmap_verifier import CheckAhead
from image_tools.flash.direct_io import BLOCK, CHUNK, buffers, spans
from image_tools.flash.flow_control import Pace
from image_tools.flash.image_reader import ImageReader
from image_tools.flash.pipeline import Channel, Pipeline
from image_tools.flash.write_record import Extent, extent_of
from image_tools.usage import StreamUsage, Usage
from resin_toolkit.errors import ImageDamaged

POOL = 8


@dataclass
class Piece:
    """`length` bytes of the image at `offset`, of which `extents` are to be written, out of `buffer`.

    `consumed` tells how much of the file that the image comes in had been used by then.
    """

    offset: int
    length: int
    consumed: int
    buffer: memoryview | None = None
    ranges: Sequence[Range] | None = None
    extents: Sequence[Extent] = ()
    holders: int = 0

    def content(self, extent: Extent) -> memoryview:
        assert self.buffer is not None
        return self.buffer[extent.offset - self.offset : extent.end - self.offset]


@dataclass(frozen=True)
class Ending:
    """What is known once the image was read to its end.

    `size` in bytes; `extents` is all that the pieces had to write; `held` are the bytes, by offset, that no
    piece had: each lane changes them as it needs and writes them itself.
    """

    size: int
    extents: Sequence[Extent]
    held: Sequence[tuple[int, bytes]]
    sha256: str | None


class Taker(Protocol):
    """A lane, as the feed sees it."""

    @property
    def queue(self) -> Channel[Piece | Ending]: ...
    @property
    def alive(self) -> bool: ...

    pending: int

    @property
    def rate(self) -> float:
        """Bytes a second while it works."""
        ...

    def set_apart(self) -> None:
        """Give nothing more to it: it is too slow to keep company."""
        ...


@dataclass
class Feed:
    """One reading of the image. `held` are ascending ranges, cut at grains, that no piece writes."""

    reader: ImageReader
    usage: Usage
    held: Sequence[Range]
    takers: Sequence[Taker]
    pipeline: Pipeline
    digest: bool = False
    block_map: BlockMap | None = None
    """Its checksums are compared before a range is handed out; of a stream, as it goes by."""
    checking: CheckAhead | None = None
    """Compares them already, ahead of the reading."""
    approve: Callable[[str | None], None] = lambda _: None
    """Called with the image's SHA-256, if it was taken, before anybody gets the ending; may raise."""
    _check: RangeCheck | None = None
    _passed: Channel[object] | None = None
    _right: int = 0
    _free: Channel[memoryview] = field(init=False)
    _filled: Channel[Piece] = field(init=False)
    _lock: Lock = field(default_factory=Lock)
    _pace: Pace = field(default_factory=Pace)
    _extents: list[Extent] = field(default_factory=list)
    _parts: list[tuple[int, bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start to read; each taker gets pieces, in order, and then the ending."""
        self._free, self._filled = self.pipeline.channel(memoryview), self.pipeline.channel(Piece)
        for buffer in buffers(POOL, CHUNK):
            self._free.put(buffer)
        if self.checking is not None:
            self._passed = self.pipeline.channel(object)
            self.checking.listen(self._passed.put)
        elif self.block_map is not None:
            self._check = RangeCheck(self.block_map)
        self.pipeline.stage("flash-hash", self._hash)
        read = self._read_parts if self._skips_reading else self._read_all
        self.pipeline.stage("flash-read", read, may_wait=True)

    def release(self, piece: Piece) -> None:
        """A taker needs the piece no more."""
        with self._lock:
            piece.holders -= 1
            done = piece.holders == 0
        if done and piece.buffer is not None:
            self._free.put(piece.buffer)

    @property
    def _skips_reading(self) -> bool:
        """Whether the parts that are not needed need not even be read."""
        return self.reader.source.is_random_access and not self.digest

    # the thread that reads

    def _read_all(self) -> None:
        offset, length = 0, CHUNK
        while length == CHUNK:
            buffer = self._free_buffer()
            length = self.reader.readinto(buffer)
            self._filled.put(Piece(offset, length, self.reader.source.consumed, buffer))
            offset += length
        if length:
            self._filled.put(Piece(offset, 0, self.reader.source.consumed))

    def _read_parts(self) -> None:
        size = self.reader.source.size or 0
        for offset, length in spans(0, size, CHUNK):
            ranges = self._wanted(offset, offset + length)
            piece = Piece(offset, length, offset + length, ranges=ranges)
            if ranges:
                piece.buffer = self._free_buffer()
                for start, end in ranges:
                    self._read_part(piece.buffer[start - offset : end - offset], start)
            self._filled.put(piece)
        for start, end in self.held:
            if start < size:
                self._parts.append((start, self.reader.at(start, min(end, size) - start)))
        last = size // BLOCK * BLOCK
        for start, end in subtracted([(last, size)], self.held):
            self._parts.append((start, self.reader.at(start, end - start)))
        self._filled.put(Piece(size, 0, size))

    def _read_part(self, part: memoryview, start: int) -> None:
        if self.reader.source.read_at(part, start) < len(part):
            raise ImageDamaged(
                f"{self.reader.source.name} became shorter while it was read.",
                hint="Let nothing else write to it.",
            )

    def _free_buffer(self) -> memoryview:
        """A buffer; where only some lanes keep the others waiting, and for long, those are set apart."""
        started = time.monotonic()
        while (buffer := self._free.get_within(0.5)) is None:
            self._blame(time.monotonic() - started)
            started = time.monotonic()
        self._blame(time.monotonic() - started)
        return buffer

    def _blame(self, waited: float) -> None:
        for taker in self._pace.laggards(self.takers, waited):
            taker.set_apart()
            while (piece := taker.queue.get_now()) is not None:
                if isinstance(piece, Piece):
                    self.release(piece)

    # the thread that decides what is needed, and hashes it

    def _hash(self) -> None:
        sha256 = _sha256() if self.digest else None
        piece = self._filled.get()
        while piece.length:
            if not self._skips_reading:
                self._judge(piece, sha256)
            elif piece.ranges is not None:
                piece.extents = self._extents_of(piece, piece.ranges)
            self._extents += piece.extents
            self._await_check(piece.offset + piece.length)
            self._hand_out(piece)
            piece = self._filled.get()
        size = piece.offset
        if isinstance(self.usage, StreamUsage):
            self.usage.finish()
        if self._check is not None:
            self._check.finish(size)
        self._await_check(size)
        # What was left out of an image is by bitmaps that were read before the rest.
        self.reader.source.check_unchanged()
        digest = sha256.hexdigest() if sha256 else None
        self.approve(digest)
        ending = Ending(size, self._extents, self._parts, digest)
        for taker in self.takers:
            taker.queue.put(ending)

    def _await_check(self, end: int) -> None:
        """Return when the image was found right up to `end`."""
        while self._passed is not None and self._right < min(end, self.reader.source.size or 0):
            told = self._passed.get()
            if isinstance(told, BaseException):
                raise told
            assert isinstance(told, int)
            self._right = told

    def _judge(self, piece: Piece, sha256: Any) -> None:
        assert piece.buffer is not None
        content = piece.buffer[: piece.length]
        if sha256 is not None:
            sha256.update(content)
        if self._check is not None:
            self._check.update(piece.offset, content)
        if isinstance(self.usage, StreamUsage):
            self.usage.take(piece.offset, content)
        end = piece.offset + piece.length
        for start, stop in self.held:
            if start < end and stop > piece.offset:
                self._hold(piece, max(start, piece.offset), min(stop, end))
        for start, stop in subtracted([(end // BLOCK * BLOCK, end)], self.held):
            self._hold(piece, start, stop)
        piece.extents = self._extents_of(piece, self._wanted(piece.offset, end))

    def _wanted(self, start: int, end: int) -> list[Range]:
        """What the pieces write of a stretch: whole blocks, since part of one has to be filled up."""
        return subtracted(self.usage.needed(start, end // BLOCK * BLOCK), self.held)

    def _hold(self, piece: Piece, start: int, end: int) -> None:
        assert piece.buffer is not None
        part = bytes(piece.buffer[start - piece.offset : end - piece.offset])
        if self._parts and self._parts[-1][0] + len(self._parts[-1][1]) == start:
            before, content = self._parts.pop()
            start, part = before, content + part
        self._parts.append((start, part))

    @staticmethod
    def _extents_of(piece: Piece, ranges: Sequence[Range]) -> list[Extent]:
        if piece.buffer is None:
            return []
        content = piece.buffer
        return [extent_of(start, content[start - piece.offset : end - piece.offset]) for start, end in ranges]

    def _hand_out(self, piece: Piece) -> None:
        takers = [taker for taker in self.takers if taker.alive]
        if not piece.extents and piece.buffer is not None:
            self._free.put(piece.buffer)
            piece.buffer = None
        piece.holders = len(takers)
        if not takers:
            self.pipeline.stop()
        for taker in takers:
            taker.pending += 1
            taker.queue.put(piece)


def _sha256() -> Any:
    import hashlib

    return hashlib.sha256()

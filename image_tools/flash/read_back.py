"""What the medium holds is read back and compared, by hash, with what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from image_tools.flash.direct_io import BLOCK, buffers, read_all, round_up, spans
from image_tools.flash.io_errors import medium_failure
from image_tools.flash.pipeline import Channel, Pipeline
from image_tools.flash.write_record import HASH, HASH_BLOCK, Extent, block_hashes
from resin_toolkit.errors import ResinError

READERS = 4
"""So many reads are under way at a time: most disks answer them faster than one by one."""
POOL = 8
PIECE = 1024 * 1024
"""What is read back at once, in bytes; a multiple of `GRAIN`."""
MOST_KEPT = 16
"""How many differing blocks are kept in memory for the diagnosis."""


@dataclass(frozen=True)
class BadBlock:
    """A differing block: `found` is the hash of what was read back, `content` the data, if kept."""

    offset: int
    length: int
    expected: bytes
    found: bytes
    content: bytes | None


@dataclass(frozen=True)
class _Part:
    """Part of an extent; `number` counts them."""

    number: int
    extent: Extent
    offset: int
    length: int


@dataclass(frozen=True)
class _Back:
    """What was read back of a part: `got` bytes in `buffer`, or the error."""

    part: _Part
    buffer: memoryview
    got: int = 0
    error: ResinError | None = None


def differences(
    descriptor: int,
    path: str,
    extents: Sequence[Extent],
    pipeline: Pipeline,
    advance: Callable[[int], None],
) -> list[BadBlock]:
    """Read back `extents`, in order, and return the blocks that are not what they should be.

    Several reads overlap, with each other and with hashing; `advance` gets the bytes that are done.
    `descriptor` is opened with O_DIRECT where the medium is to answer. Raises IoFailed, DriveNotFound,
    Stopped.
    """
    bad: list[BadBlock] = []
    free, filled = pipeline.channel(memoryview), pipeline.channel(_Back)
    for buffer in buffers(POOL, PIECE):
        free.put(buffer)
    parts = _Parts(extents, free)
    for number in range(READERS):
        pipeline.stage(f"read-back {number}", lambda: _read(descriptor, path, parts, filled))
    try:
        for back in _in_order(parts.count, filled):
            if back.error is not None:
                raise back.error
            _compare(back, bad)
            free.put(back.buffer)
            advance(back.part.length)
    finally:
        free.stop()
    return bad


class _Parts:
    """What is still to be read back; each part is taken together with a buffer, those in front first."""

    def __init__(self, extents: Sequence[Extent], free: Channel[memoryview]) -> None:
        self.count = sum(-(-extent.length // PIECE) for extent in extents)
        self._left = _cut(extents)
        self._free = free
        self._lock = Lock()

    def next(self) -> tuple[_Part, memoryview] | None:
        """None where there is no more. Raises Stopped."""
        with self._lock:
            buffer = self._free.get()
            part = next(self._left, None)
        return None if part is None else (part, buffer)


def _read(descriptor: int, path: str, parts: _Parts, filled: Channel[_Back]) -> None:
    while (taken := parts.next()) is not None:
        part, buffer = taken
        try:
            got = read_all(descriptor, buffer[: round_up(part.length, BLOCK)], part.offset, part.length)
        except OSError as error:
            failure = medium_failure(error, path, part.offset, "read back")
            filled.put(_Back(part, buffer, error=failure))
            return
        filled.put(_Back(part, buffer, min(got, part.length)))


def _in_order(count: int, filled: Channel[_Back]) -> Iterator[_Back]:
    """What was read back, in the order of the parts, whichever came first."""
    early: dict[int, _Back] = {}
    for number in range(count):
        while number not in early:
            back = filled.get()
            early[back.part.number] = back
        yield early.pop(number)


def _cut(extents: Iterable[Extent]) -> Iterator[_Part]:
    places = ((extent, *span) for extent in extents for span in spans(extent.offset, extent.end, PIECE))
    for number, (extent, offset, length) in enumerate(places):
        yield _Part(number, extent, offset, length)


def _compare(back: _Back, bad: list[BadBlock]) -> None:
    part = back.part
    first = (part.offset - part.extent.offset) // HASH_BLOCK * HASH
    expected = part.extent.hashes[first : first + -(-part.length // HASH_BLOCK) * HASH]
    collect(bad, find_bad_blocks(back.buffer[: back.got], part.offset, part.length, expected))


def collect(bad: list[BadBlock], found: Iterable[BadBlock]) -> None:
    """Add what was `found` to `bad`; only the first ones keep their content."""
    for block in found:
        bad.append(block if len(bad) < MOST_KEPT else replace(block, content=None))


def find_bad_blocks(found: memoryview, offset: int, length: int, expected: bytes) -> list[BadBlock]:
    """The blocks of `length` bytes at `offset` that differ from the `expected` hashes.

    `found` is what the medium holds there, and short where it ends early.
    """
    hashes = block_hashes(found)
    if hashes == expected:
        return []
    bad = []
    for number in range(-(-length // HASH_BLOCK)):
        part = slice(number * HASH, (number + 1) * HASH)
        if hashes[part] == expected[part]:
            continue
        start = number * HASH_BLOCK
        size = min(HASH_BLOCK, length - start)
        content = bytes(found[start : start + size])
        bad.append(BadBlock(offset + start, size, expected[part], hashes[part], content))
    return bad

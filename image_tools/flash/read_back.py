"""Reading back the medium and comparing it, by hashes, with what was written."""

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
"""The number of concurrent reads, which most disks serve faster than single ones."""
POOL = 8
READ_SIZE = 1024 * 1024
"""The size of a read in bytes; a multiple of `GRAIN`."""
MAX_CONTENTS = 16
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
    """A part of an extent, with its sequence number."""

    number: int
    extent: Extent
    offset: int
    length: int


@dataclass(frozen=True)
class _ReadResult:
    """The data of a part, `got` bytes in `buffer`, or the error."""

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
    """Read back `extents`, in order, and return the blocks that differ.

    Reads overlap with each other and with hashing; `advance` gets the number of bytes done. To read from the
    medium itself, `descriptor` must be opened with O_DIRECT. Raises IoFailed, DriveNotFound, Stopped.
    """
    bad: list[BadBlock] = []
    free, filled = pipeline.channel(memoryview), pipeline.channel(_ReadResult)
    for buffer in buffers(POOL, READ_SIZE):
        free.put(buffer)
    parts = _PartQueue(extents, free)
    for number in range(READERS):
        pipeline.stage(f"read-back {number}", lambda: _read(descriptor, path, parts, filled))
    try:
        for result in _in_order(parts.count, filled):
            if result.error is not None:
                raise result.error
            _compare(result, bad)
            free.put(result.buffer)
            advance(result.part.length)
    finally:
        free.stop()
    return bad


class _PartQueue:
    """The parts still to be read; each is taken together with a buffer, in order."""

    def __init__(self, extents: Sequence[Extent], free: Channel[memoryview]) -> None:
        self.count = sum(-(-extent.length // READ_SIZE) for extent in extents)
        self._left = _split_extents(extents)
        self._free = free
        self._lock = Lock()

    def next(self) -> tuple[_Part, memoryview] | None:
        """The next part and a buffer; None at the end. Raises Stopped."""
        with self._lock:
            buffer = self._free.get()
            part = next(self._left, None)
        return None if part is None else (part, buffer)


def _read(descriptor: int, path: str, parts: _PartQueue, filled: Channel[_ReadResult]) -> None:
    while (taken := parts.next()) is not None:
        part, buffer = taken
        try:
            got = read_all(descriptor, buffer[: round_up(part.length, BLOCK)], part.offset, part.length)
        except OSError as error:
            failure = medium_failure(error, path, part.offset, "read back")
            filled.put(_ReadResult(part, buffer, error=failure))
            return
        filled.put(_ReadResult(part, buffer, min(got, part.length)))


def _in_order(count: int, filled: Channel[_ReadResult]) -> Iterator[_ReadResult]:
    """The results in the order of the parts, in whatever order they arrive."""
    early: dict[int, _ReadResult] = {}
    for number in range(count):
        while number not in early:
            result = filled.get()
            early[result.part.number] = result
        yield early.pop(number)


def _split_extents(extents: Iterable[Extent]) -> Iterator[_Part]:
    places = ((extent, *span) for extent in extents for span in spans(extent.offset, extent.end, READ_SIZE))
    for number, (extent, offset, length) in enumerate(places):
        yield _Part(number, extent, offset, length)


def _compare(result: _ReadResult, bad: list[BadBlock]) -> None:
    part = result.part
    first = (part.offset - part.extent.offset) // HASH_BLOCK * HASH
    expected = part.extent.hashes[first : first + -(-part.length // HASH_BLOCK) * HASH]
    add_bad_blocks(bad, find_bad_blocks(result.buffer[: result.got], part.offset, part.length, expected))


def add_bad_blocks(bad: list[BadBlock], found: Iterable[BadBlock]) -> None:
    """Append `found` to `bad`; only the first `MAX_CONTENTS` blocks keep their content."""
    for block in found:
        bad.append(block if len(bad) < MAX_CONTENTS else replace(block, content=None))


def find_bad_blocks(found: memoryview, offset: int, length: int, expected: bytes) -> list[BadBlock]:
    """The blocks of `length` bytes at `offset` that differ from the `expected` hashes.

    `found` is the data of the medium, short if it ends early.
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

"""What the medium holds is read back and compared, by hash, with what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from image_tools.flash.direct import BLOCK, CHUNK, buffers, read_all, round_up, spans
from image_tools.flash.medium import medium_failure
from image_tools.flash.pipeline import Channel, Pipeline
from image_tools.flash.record import GRAIN, HASH, Extent, grain_hashes
from resin_toolkit.errors import ResinError

POOL = 3
MOST_KEPT = 16
"""So many grains that differ are kept as they were read back, to tell what they look like."""


@dataclass(frozen=True)
class BadGrain:
    """A grain that differs: `found` is the hash of what was read back, `content` that itself, if kept."""

    offset: int
    length: int
    expected: bytes
    found: bytes
    content: bytes | None


@dataclass(frozen=True)
class _Back:
    """What was read back of one part of an extent: `got` bytes, or the error; without a buffer the end."""

    extent: Extent
    offset: int
    length: int
    buffer: memoryview | None = None
    got: int = 0
    error: ResinError | None = None


def differences(
    descriptor: int,
    path: str,
    extents: Iterable[Extent],
    pipeline: Pipeline,
    advance: Callable[[int], None],
) -> list[BadGrain]:
    """Read back `extents`, in order, and return the grains that are not what they should be.

    Reading and hashing overlap; `advance` gets the bytes that are done. `descriptor` is opened with O_DIRECT
    where the medium is to answer. Raises IoFailed, DriveNotFound, Stopped.
    """
    bad: list[BadGrain] = []
    free, filled = pipeline.channel(memoryview), pipeline.channel(_Back)
    for buffer in buffers(POOL, CHUNK):
        free.put(buffer)
    pipeline.stage("read-back", lambda: _read(descriptor, path, extents, free, filled))
    try:
        while (back := filled.get()).buffer is not None:
            _compare(back, back.buffer, bad)
            free.put(back.buffer)
            advance(back.length)
    finally:
        free.stop()
    if back.error is not None:
        raise back.error
    return bad


def _read(
    descriptor: int,
    path: str,
    extents: Iterable[Extent],
    free: Channel[memoryview],
    filled: Channel[_Back],
) -> None:
    nowhere = Extent(0, 0, b"")
    for extent, offset, length in _parts(extents):
        buffer = free.get()
        try:
            got = read_all(descriptor, buffer[: round_up(length, BLOCK)], offset, length)
        except OSError as error:
            failure = medium_failure(error, path, offset, "read back")
            filled.put(_Back(nowhere, offset, 0, error=failure))
            return
        filled.put(_Back(extent, offset, length, buffer, min(got, length)))
    filled.put(_Back(nowhere, 0, 0))


def _parts(extents: Iterable[Extent]) -> Iterator[tuple[Extent, int, int]]:
    for extent in extents:
        for offset, length in spans(extent.offset, extent.end, CHUNK):
            yield extent, offset, length


def _compare(back: _Back, buffer: memoryview, bad: list[BadGrain]) -> None:
    first = (back.offset - back.extent.offset) // GRAIN * HASH
    count = -(-back.length // GRAIN)
    expected = back.extent.grains[first : first + count * HASH]
    found = bad_grains(buffer[: back.got], back.offset, back.length, expected)
    collect(bad, found)


def collect(bad: list[BadGrain], found: Iterable[BadGrain]) -> None:
    """Add what was `found` to `bad`; only the first ones keep their content."""
    for grain in found:
        bad.append(grain if len(bad) < MOST_KEPT else replace(grain, content=None))


def bad_grains(found: memoryview, offset: int, length: int, expected: bytes) -> list[BadGrain]:
    """The grains of `length` bytes at `offset` that differ from the `expected` hashes.

    `found` is what the medium holds there, and short where it ends early.
    """
    hashes = grain_hashes(found)
    if hashes == expected:
        return []
    bad = []
    for number in range(-(-length // GRAIN)):
        part = slice(number * HASH, (number + 1) * HASH)
        if hashes[part] == expected[part]:
            continue
        start = number * GRAIN
        size = min(GRAIN, length - start)
        content = bytes(found[start : start + size])
        bad.append(BadGrain(offset + start, size, expected[part], hashes[part], content))
    return bad

"""The second half of a flash: what the medium holds is read back and compared by hash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from image_tools.flash.direct import BLOCK, buffers, read_all, round_up, spans
from image_tools.flash.pipeline import Channel, Pipeline
from image_tools.flash.target import Reading, Target
from image_tools.flash.write import CHUNK, GRAIN, Record, grain_hashes, medium_failure
from resin_toolkit.errors import Notice, VerifyFailed
from resin_toolkit.progress import Progress

POOL = 4
HASH = 16

Original = Callable[[int, int], bytes | None]
"""Gives bytes of the image once more, by offset and length, or None where it cannot."""


@dataclass(frozen=True)
class _Back:
    """What was read back of one chunk; a `wanted` of 0 is the end."""

    buffer: memoryview
    offset: int
    wanted: int
    length: int


@dataclass
class _Differences:
    """Grains that are not what was written, and the first of them as it was read back."""

    count: int = 0
    offset: int = 0
    content: bytes = b""


def verify_image(
    target: Target, record: Record, progress: Progress, *, original: Original | None = None
) -> Reading:
    """Read back all that `record` says was written, past the page cache where that can be.

    Returns how it was read; where the cache may have answered, `target.notices` says so. Raises VerifyFailed
    with `offset` (of the first byte that differs if `exact`, else of the `grain` bytes that hold it) and
    `count` (of grains that differ), IoFailed, DriveNotFound.
    """
    reading = target.drop_cache()
    if not reading.past_cache:
        target.notices.append(_from_cache(target, reading))
    found = _Differences()
    with progress.step("verifying", record.stored) as step, Pipeline() as pipeline:
        free, filled = pipeline.channel(memoryview), pipeline.channel(_Back)
        for buffer in buffers(POOL, CHUNK):
            free.put(buffer)
        pipeline.stage("verify-read", lambda: _read(target, record, free, filled))
        while (back := filled.get()).wanted:
            _compare(back, record, found)
            free.put(back.buffer)
            step.advance(back.wanted)
    if found.count:
        raise _failure(target, record, found, original)
    return reading


def _read(target: Target, record: Record, free: Channel[memoryview], filled: Channel[_Back]) -> None:
    for offset, wanted in spans(0, record.stored, CHUNK):
        buffer = free.get()
        try:
            length = read_all(target.descriptor, buffer[: round_up(wanted, BLOCK)], offset, wanted)
        except OSError as error:
            raise medium_failure(error, target, offset, "read back") from error
        filled.put(_Back(buffer, offset, wanted, min(length, wanted)))
    filled.put(_Back(memoryview(b""), record.stored, 0, 0))


def _compare(back: _Back, record: Record, found: _Differences) -> None:
    first = back.offset // GRAIN * HASH
    count = -(-back.wanted // GRAIN)
    expected = record.grains[first : first + count * HASH]
    hashes = grain_hashes(back.buffer[: back.length])
    if hashes == expected:
        return
    for number in range(count):
        part = slice(number * HASH, (number + 1) * HASH)
        if hashes[part] == expected[part]:
            continue
        if not found.count:
            start = number * GRAIN
            found.offset = back.offset + start
            found.content = bytes(back.buffer[start : min(start + GRAIN, back.length)])
        found.count += 1


def _failure(target: Target, record: Record, found: _Differences, original: Original | None) -> VerifyFailed:
    offset, exact = _first_byte(record, found, original)
    where = f"first at byte {offset}" if exact else f"first within the {GRAIN // 1024} KiB at byte {offset}"
    total = len(record.grains) // HASH
    return VerifyFailed(
        f"{target.path} does not hold what was written: it differs {where}, "
        f"in {found.count} of {total} blocks of {GRAIN // 1024} KiB.",
        hint="Write it again; if it fails again, the card, the reader or its cable is bad.",
        offset=offset,
        exact=exact,
        grain=GRAIN,
        count=found.count,
    )


def _first_byte(record: Record, found: _Differences, original: Original | None) -> tuple[int, bool]:
    """The offset of the first byte that differs, if the image can still tell; else its grain's."""
    written = original(found.offset, GRAIN) if original else None
    if not written:
        return found.offset, False
    length = min(GRAIN, record.stored - found.offset)
    written = written[:length].ljust(length, b"\0")
    index = found.offset // GRAIN * HASH
    if grain_hashes(memoryview(written)) != record.grains[index : index + HASH]:
        return found.offset, False
    pairs = zip(written, found.content.ljust(length, b"\0"), strict=True)
    place = next((place for place, (one, other) in enumerate(pairs) if one != other), len(found.content))
    return found.offset + place, True


def _from_cache(target: Target, reading: Reading) -> Notice:
    return Notice(
        "read-back-cached",
        f"{target.path} was read back, but maybe from the page cache, not the medium: {reading.reason}.",
    )

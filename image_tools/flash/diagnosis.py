"""What it looks like when a drive does not hold what was written, and what that tells of the drive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from image_tools.flash.read_back import BadGrain
from image_tools.flash.write_record import GRAIN, HASH, Extent, hash_of_same
from image_tools.partitions import Partition
from resin_toolkit.errors import VerifyFailed


class Look(Enum):
    """What the first grain that differs looks like."""

    ZERO = "all-zero"
    ONES = "all-ones"
    ELSEWHERE = "other-offset"
    ONE_BIT = "one-bit"
    MISSING = "missing"
    OTHER = "other"


_WORDS = {
    Look.ZERO: "it reads as all zero",
    Look.ONES: "it reads as all ones",
    Look.ONE_BIT: "one bit is flipped",
    Look.MISSING: "the drive ends there",
    Look.OTHER: "it reads as something else",
}
_HINTS = {
    Look.ZERO: "The card loses what is written, or is smaller than it says: try another one, or --probe it.",
    Look.ONES: "The card loses what is written there: it is worn out or not what it says; try another one.",
    Look.ELSEWHERE: "A counterfeit card does this, which is smaller than it says: --probe tells its size.",
    Look.ONE_BIT: "A bad cable, reader or cell does this: try another reader, then another card.",
    Look.MISSING: "The drive is smaller than it says: try another one.",
    Look.OTHER: "Write it again; if it fails again, the card, the reader or its cable is bad.",
}
_KEPT = "The card is locked, worn out or not as large as it says: try another one, or --probe it."
_CHANGED = "A card that was configured or that has run differs; if it did neither, it holds something else."


@dataclass(frozen=True)
class _Finding:
    """Where the first difference is, to the byte if `exact`, and what it looks like."""

    offset: int
    exact: bool
    look: Look
    elsewhere: int | None = None


def verify_failure(
    path: str,
    bad: Sequence[BadGrain],
    extents: Iterable[Extent],
    partitions: Iterable[Partition],
    original: bytes | None,
    *,
    repeated: bool = False,
    was_written: bool = True,
    was_cleared: bool = False,
) -> VerifyFailed:
    """The failure that tells of `bad`, which is not empty: first byte, how many, where, what it looks like.

    `original` is what the first bad grain should hold, None where that cannot be had any more; `repeated`
    says that the bad grains were written twice, `was_written` that this run has written them at all,
    `was_cleared` that it is not the image that they should hold, but zeros, before it comes.
    """
    known = list(extents)
    total = sum(len(extent.grains) // HASH for extent in known)
    finding = _finding(bad[0], known, original)
    where = (
        f"first at byte {finding.offset}"
        if finding.exact
        else f"first within the {GRAIN // 1024} KiB at byte {finding.offset}"
    )
    twice = ", although that was written twice" if repeated else ""
    partition = _partition_at(finding.offset, partitions)
    what = "does not hold the image: it differs"
    hint = _HINTS[finding.look] if was_written else _CHANGED
    if was_cleared:
        what = "does not keep what is written: it was cleared where a system starts, and is not,"
        hint = _KEPT if finding.look is Look.OTHER else hint
    return VerifyFailed(
        f"{path} {what} {where} ({_place(partition)}), in {len(bad)} of "
        f"{total} blocks of {GRAIN // 1024} KiB{twice}; {_words(finding)}.",
        hint=hint,
        offset=finding.offset,
        exact=finding.exact,
        grain=GRAIN,
        count=len(bad),
        look=finding.look.value,
        partition=partition.number if partition else None,
        elsewhere=finding.elsewhere,
    )


def _finding(bad: BadGrain, extents: list[Extent], original: bytes | None) -> _Finding:
    content = bad.content or b""
    offset, exact = bad.offset, False
    if original is not None:
        exact = True
        pairs = zip(original, content, strict=False)
        offset += next((i for i, (one, other) in enumerate(pairs) if one != other), len(content))
    if len(content) < bad.length:
        return _Finding(offset, exact, Look.MISSING)
    if bad.found == hash_of_same(0, bad.length):
        return _Finding(offset, exact, Look.ZERO)
    if bad.found == hash_of_same(0xFF, bad.length):
        return _Finding(offset, exact, Look.ONES)
    if original is not None and _bits_that_differ(original, content) == 1:
        return _Finding(offset, exact, Look.ONE_BIT)
    elsewhere = _offset_of(bad.found, extents)
    if elsewhere is not None:
        return _Finding(offset, exact, Look.ELSEWHERE, elsewhere)
    return _Finding(offset, exact, Look.OTHER)


def _words(finding: _Finding) -> str:
    if finding.look is Look.ELSEWHERE:
        return f"it reads as what was written at byte {finding.elsewhere}"
    return _WORDS[finding.look]


def _offset_of(found: bytes, extents: list[Extent]) -> int | None:
    """Where the grain with this hash was written."""
    for extent in extents:
        place = extent.grains.find(found)
        while place >= 0 and place % HASH:
            place = extent.grains.find(found, place + 1)
        if place >= 0:
            return extent.offset + place // HASH * GRAIN
    return None


def _bits_that_differ(one: bytes, other: bytes) -> int:
    length = min(len(one), len(other))
    return (int.from_bytes(one[:length], "little") ^ int.from_bytes(other[:length], "little")).bit_count()


def _partition_at(offset: int, partitions: Iterable[Partition]) -> Partition | None:
    holding = [part for part in partitions if part.start <= offset < part.end and not part.is_extended]
    return holding[0] if holding else None


def _place(partition: Partition | None) -> str:
    if partition is None:
        return "outside of the partitions"
    return f"in partition {partition.number}" + (f", {partition.name}" if partition.name else "")

"""Diagnosis of a failed verification: where the drive differs, what it looks like, and the likely cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from image_tools.flash.read_back import BadBlock
from image_tools.flash.write_record import HASH, HASH_BLOCK, Extent, hash_of_same
from image_tools.partitions import Partition
from resin_toolkit.errors import VerifyFailed


class Pattern(Enum):
    """What the first differing block looks like."""

    ZERO = "all-zero"
    ONES = "all-ones"
    ELSEWHERE = "other-offset"
    ONE_BIT = "one-bit"
    MISSING = "missing"
    OTHER = "other"


_PATTERN_TEXTS = {
    Pattern.ZERO: "it reads as all zero",
    Pattern.ONES: "it reads as all ones",
    Pattern.ONE_BIT: "one bit is flipped",
    Pattern.MISSING: "the drive ends there",
    Pattern.OTHER: "it reads as something else",
}
_HINTS = {
    Pattern.ZERO: "The card loses data or is smaller than it reports: try another, or check it with --probe.",
    Pattern.ONES: "The card is worn out or counterfeit: try another one.",
    Pattern.ELSEWHERE: "The card is probably counterfeit and smaller than it reports: check it with --probe.",
    Pattern.ONE_BIT: "The cable, reader or card is faulty: try another reader, then another card.",
    Pattern.MISSING: "The drive is smaller than it reports: try another one.",
    Pattern.OTHER: "Flash it again; if that fails too, the card, reader or cable is faulty.",
}
_NOT_CLEARED_HINT = (
    "The card is locked, worn out or smaller than it reports: try another one, or check it with --probe."
)
_COMPARED_HINT = "A card that was configured or booted since then differs; otherwise it holds something else."


@dataclass(frozen=True)
class _Finding:
    """The first difference: its offset, exact to the byte if `exact`, and its pattern."""

    offset: int
    exact: bool
    pattern: Pattern
    elsewhere: int | None = None


def verify_failure(
    path: str,
    bad: Sequence[BadBlock],
    extents: Iterable[Extent],
    partitions: Iterable[Partition],
    original: bytes | None,
    *,
    repeated: bool = False,
    was_written: bool = True,
    was_cleared: bool = False,
) -> VerifyFailed:
    """The error for `bad`, which is not empty: first byte, number of blocks, partition and pattern.

    `original` is the expected content of the first bad block, None if it is not available; `repeated`: the
    blocks were written twice; `was_written`: this run wrote them; `was_cleared`: they should hold zeros,
    because the start of the drive was cleared.
    """
    known = list(extents)
    total = sum(len(extent.hashes) // HASH for extent in known)
    finding = _finding(bad[0], known, original)
    where = (
        f"first at byte {finding.offset}"
        if finding.exact
        else f"first within the {HASH_BLOCK // 1024} KiB at byte {finding.offset}"
    )
    twice = ", although that was written twice" if repeated else ""
    partition = _partition_at(finding.offset, partitions)
    what = "does not hold the image: it differs"
    hint = _HINTS[finding.pattern] if was_written else _COMPARED_HINT
    if was_cleared:
        what = "does not keep data: its start was cleared but still differs,"
        hint = _NOT_CLEARED_HINT if finding.pattern is Pattern.OTHER else hint
    return VerifyFailed(
        f"{path} {what} {where} ({_location(partition)}), in {len(bad)} of "
        f"{total} blocks of {HASH_BLOCK // 1024} KiB{twice}; {_pattern_text(finding)}.",
        hint=hint,
        offset=finding.offset,
        exact=finding.exact,
        grain=HASH_BLOCK,
        count=len(bad),
        look=finding.pattern.value,
        partition=partition.number if partition else None,
        elsewhere=finding.elsewhere,
    )


def _finding(bad: BadBlock, extents: list[Extent], original: bytes | None) -> _Finding:
    content = bad.content or b""
    offset, exact = bad.offset, False
    if original is not None:
        exact = True
        pairs = zip(original, content, strict=False)
        offset += next((i for i, (one, other) in enumerate(pairs) if one != other), len(content))
    if len(content) < bad.length:
        return _Finding(offset, exact, Pattern.MISSING)
    if bad.found == hash_of_same(0, bad.length):
        return _Finding(offset, exact, Pattern.ZERO)
    if bad.found == hash_of_same(0xFF, bad.length):
        return _Finding(offset, exact, Pattern.ONES)
    if original is not None and _bits_that_differ(original, content) == 1:
        return _Finding(offset, exact, Pattern.ONE_BIT)
    elsewhere = _offset_of(bad.found, extents)
    if elsewhere is not None:
        return _Finding(offset, exact, Pattern.ELSEWHERE, elsewhere)
    return _Finding(offset, exact, Pattern.OTHER)


def _pattern_text(finding: _Finding) -> str:
    if finding.pattern is Pattern.ELSEWHERE:
        return f"it reads as what was written at byte {finding.elsewhere}"
    return _PATTERN_TEXTS[finding.pattern]


def _offset_of(found: bytes, extents: list[Extent]) -> int | None:
    """The offset at which a block with this hash was written."""
    for extent in extents:
        place = extent.hashes.find(found)
        while place >= 0 and place % HASH:
            place = extent.hashes.find(found, place + 1)
        if place >= 0:
            return extent.offset + place // HASH * HASH_BLOCK
    return None


def _bits_that_differ(one: bytes, other: bytes) -> int:
    length = min(len(one), len(other))
    return (int.from_bytes(one[:length], "little") ^ int.from_bytes(other[:length], "little")).bit_count()


def _partition_at(offset: int, partitions: Iterable[Partition]) -> Partition | None:
    holding = [part for part in partitions if part.start <= offset < part.end and not part.is_extended]
    return holding[0] if holding else None


def _location(partition: Partition | None) -> str:
    if partition is None:
        return "outside of the partitions"
    return f"in partition {partition.number}" + (f", {partition.name}" if partition.name else "")

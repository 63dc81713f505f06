"""What a flash asks about an image: which parts of it must be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from image_tools.partitions import Partition

GRAIN = 64 * 1024
"""Parts are left out in units of so many bytes, counted from the image's start."""

Range = tuple[int, int]
"""Bytes from a start up to an end."""


@dataclass(frozen=True)
class Area:
    """A partition, what lies in it, and whether its free parts are left out; if not, why."""

    partition: Partition
    kind: str
    trimmed: bool
    reason: str = ""


class Usage(Protocol):
    """Which parts of an image are needed."""

    @property
    def areas(self) -> tuple[Area, ...]:
        """The partitions, as far as they are known by now."""
        ...

    def needed(self, start: int, end: int) -> list[Range]:
        """The parts of the bytes from `start` up to `end` that must be written: ascending, not touching.

        They are cut at multiples of `GRAIN`, or at `start` and `end`.
        """
        ...


class Everything:
    """All of the image is needed."""

    areas: tuple[Area, ...] = ()

    def needed(self, start: int, end: int) -> list[Range]:
        return [(start, end)] if start < end else []


class UsageContradicted(Exception):
    """Something that came later shows that a part was left out wrongly; `reason` is a clause."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def subtracted(ranges: Sequence[Range], holes: Sequence[Range]) -> list[Range]:
    """What is left of `ranges` outside of `holes`; both ascending and each of them disjoint."""
    left: list[Range] = []
    index = 0
    for start, end in ranges:
        while index < len(holes) and holes[index][1] <= start:
            index += 1
        place = index
        while place < len(holes) and holes[place][0] < end:
            first, last = holes[place]
            if first > start:
                left.append((start, first))
            start = max(start, last)
            place += 1
        if start < end:
            left.append((start, end))
    return left


def inward(start: int, end: int) -> Range:
    """The whole grains of a range; the end is not after the start where there are none."""
    return start + -start % GRAIN, end // GRAIN * GRAIN

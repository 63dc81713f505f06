"""What a flash asks about an image: which parts of it must be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from image_tools.byte_ranges import Range
from image_tools.partitions import Partition

GRAIN = 64 * 1024
"""Parts are left out in units of so many bytes, counted from the image's start."""


@dataclass(frozen=True)
class PartitionUsage:
    """A partition, what lies in it, and whether its free parts are left out; if not, why."""

    partition: Partition
    kind: str
    trimmed: bool
    reason: str = ""


class Usage(Protocol):
    """Which parts of an image are needed."""

    @property
    def partitions(self) -> tuple[PartitionUsage, ...]:
        """The partitions, as far as they are known by now."""
        ...

    def needed(self, start: int, end: int) -> list[Range]:
        """The parts of the bytes from `start` up to `end` that must be written: ascending, not touching.

        They are cut at multiples of `GRAIN`, or at `start` and `end`.
        """
        ...


class Everything:
    """All of the image is needed."""

    partitions: tuple[PartitionUsage, ...] = ()

    def needed(self, start: int, end: int) -> list[Range]:
        return [(start, end)] if start < end else []


class UsageContradicted(Exception):
    """Something that came later shows that a part was left out wrongly; `reason` is a clause."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def inward(start: int, end: int) -> Range:
    """The whole grains of a range; the end is not after the start where there are none."""
    return start + -start % GRAIN, end // GRAIN * GRAIN

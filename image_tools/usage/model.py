"""The interface of usage: the parts of an image that must be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from image_tools.byte_ranges import Range
from image_tools.partitions import Partition

GRAIN = 64 * 1024
"""Unused parts are skipped in units of this many bytes, counted from the start of the image."""


@dataclass(frozen=True)
class PartitionUsage:
    """A partition and its file system; if its free blocks are not skipped (`trimmed`), `reason` says why."""

    partition: Partition
    filesystem: str
    trimmed: bool
    reason: str = ""


class Usage(Protocol):
    """The parts of an image that must be written."""

    @property
    def partitions(self) -> tuple[PartitionUsage, ...]:
        """The partitions known so far."""
        ...

    def needed(self, start: int, end: int) -> list[Range]:
        """The ranges between `start` and `end` that must be written, ascending and not adjacent.

        Their bounds are multiples of `GRAIN`, or `start` and `end`.
        """
        ...


class Everything:
    """The usage of an image that is written completely."""

    partitions: tuple[PartitionUsage, ...] = ()

    def needed(self, start: int, end: int) -> list[Range]:
        return [(start, end)] if start < end else []


class UsageContradicted(Exception):
    """Later data shows that a part was skipped wrongly; `reason` is a clause."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def inward(start: int, end: int) -> Range:
    """The whole grains inside a range; empty (end <= start) if there are none."""
    return start + -start % GRAIN, end // GRAIN * GRAIN

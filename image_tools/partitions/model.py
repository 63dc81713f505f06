"""Partitions and partition tables, and the problems found while reading one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from resin_toolkit.errors import ImageDamaged, Notice, PartitionNotFound


class Scheme(Enum):
    """The type of a partition table."""

    MBR = "mbr"
    GPT = "gpt"
    HYBRID = "hybrid"
    """A GPT whose protective MBR also lists partitions; those of the GPT are used."""
    NONE = "none"
    """No table: the whole disk is one file system."""


@dataclass(frozen=True)
class Partition:
    """One partition, numbered as Linux does; `start` and `size` in bytes."""

    number: int
    start: int
    size: int
    type_code: str
    """For example `0x0c` in an MBR; the type GUID in upper case in a GPT; empty without a table."""
    name: str = ""
    """The partition name in a GPT; not the label of the file system."""
    is_extended: bool = False
    is_logical: bool = False
    bootable: bool = False

    @property
    def end(self) -> int:
        """The first byte after the partition."""
        return self.start + self.size


@dataclass(frozen=True)
class PartitionTable:
    """The partitions of a disk of `size` bytes, in the order of the table, logical ones last."""

    scheme: Scheme
    sector_size: int
    partitions: tuple[Partition, ...]
    notices: tuple[Notice, ...]
    size: int

    def partition(self, number: int) -> Partition:
        """The partition of that number; raises PartitionNotFound."""
        for partition in self.partitions:
            if partition.number == number:
                return partition
        known = ", ".join(str(partition.number) for partition in self.partitions) or "none"
        raise PartitionNotFound(
            f"There is no partition {number}.", hint=f"The partitions are: {known}.", number=number
        )


class Findings:
    """Collects the problems of a table; damage is raised immediately unless `tolerant`."""

    def __init__(self, *, tolerant: bool) -> None:
        self._tolerant = tolerant
        self._notices: list[Notice] = []

    @property
    def notices(self) -> tuple[Notice, ...]:
        return tuple(self._notices)

    def note(self, code: str, message: str) -> None:
        self._notices.append(Notice(code, message))

    def damage(self, code: str, message: str) -> None:
        """Report an inconsistency: a write to one partition might hit another one or the table."""
        if not self._tolerant:
            raise table_damaged(message)
        self.note(code, message)


@dataclass(frozen=True)
class OwnedRange:
    """The bytes from `start` up to `end`, and what they belong to."""

    start: int
    end: int
    owner: str


def table_damaged(message: str) -> ImageDamaged:
    return ImageDamaged(message, hint="Download the image again, or flash the card again.")


def owned_range(partition: Partition) -> OwnedRange:
    return OwnedRange(partition.start, partition.end, f"partition {partition.number}")


def report_overlaps(ranges: Iterable[OwnedRange], findings: Findings) -> None:
    """Report as damage every range that starts inside an earlier one."""
    reach: OwnedRange | None = None
    for each in sorted(ranges, key=lambda each: (each.start, each.end)):
        if each.end <= each.start:
            continue
        if reach is not None and each.start < reach.end:
            findings.damage(
                "partitions-overlap",
                f"The partition table is damaged: {reach.owner} and {each.owner} "
                f"overlap at byte {each.start} of the disk.",
            )
        if reach is None or each.end > reach.end:
            reach = each


def report_past_end(partitions: Iterable[Partition], size: int, findings: Findings) -> None:
    """Note the partitions that end after a disk of `size` bytes: the image is truncated."""
    numbers = [str(partition.number) for partition in partitions if partition.end > size]
    if numbers:
        which = "Partition " + numbers[0] if len(numbers) == 1 else "Partitions " + ", ".join(numbers)
        verb = "reaches" if len(numbers) == 1 else "reach"
        findings.note(
            "partition-past-end",
            f"{which} {verb} past the end of the disk, which has {size} bytes: the image is truncated.",
        )


def notices_past_end(table: PartitionTable, size: int) -> tuple[Notice, ...]:
    """The notices of `report_past_end`, for a table that was read before the size of the disk was known."""
    findings = Findings(tolerant=True)
    report_past_end(table.partitions, size, findings)
    return findings.notices

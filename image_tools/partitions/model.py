"""What is known of a partition table, and what reading one can find wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from resin_toolkit.errors import ImageDamaged, Notice, PartitionNotFound


class Scheme(Enum):
    """How a disk is divided."""

    MBR = "mbr"
    GPT = "gpt"
    HYBRID = "hybrid"
    """A GPT whose protective MBR also lists partitions; those of the GPT count."""
    NONE = "none"
    """No table: the disk is one file system."""


@dataclass(frozen=True)
class Partition:
    """One partition, numbered as Linux does; `start` and `size` in bytes."""

    number: int
    start: int
    size: int
    type_code: str
    """`0x0c` for an MBR, the type's GUID in upper case for a GPT, empty without a table."""
    name: str = ""
    """The name that a GPT holds; not the file system's label."""
    is_extended: bool = False
    is_logical: bool = False
    bootable: bool = False

    @property
    def end(self) -> int:
        """The first byte after the partition."""
        return self.start + self.size


@dataclass(frozen=True)
class PartitionTable:
    """The partitions of a disk of `size` bytes in the order of the table, logical ones last."""

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
            f"There is no partition {number}.", hint=f"The table has: {known}.", number=number
        )


class Findings:
    """Collects what a reader finds wrong; damage is raised at once unless the reader is `tolerant`."""

    def __init__(self, *, tolerant: bool) -> None:
        self._tolerant = tolerant
        self._notices: list[Notice] = []

    @property
    def notices(self) -> tuple[Notice, ...]:
        return tuple(self._notices)

    def note(self, code: str, message: str) -> None:
        self._notices.append(Notice(code, message))

    def damage(self, code: str, message: str) -> None:
        """A contradiction: with it, a write to one partition might hit another or the table."""
        if not self._tolerant:
            raise table_damaged(message)
        self.note(code, message)


@dataclass(frozen=True)
class OwnedRange:
    """Bytes from `start` up to `end` that belong to one owner, which `what` names."""

    start: int
    end: int
    what: str


def table_damaged(message: str) -> ImageDamaged:
    return ImageDamaged(message, hint="Download the image again, or flash the card again.")


def owned_range(partition: Partition) -> OwnedRange:
    return OwnedRange(partition.start, partition.end, f"partition {partition.number}")


def report_overlaps(ranges: Iterable[OwnedRange], findings: Findings) -> None:
    """Report as damage every area that begins inside one that began before it."""
    reach: OwnedRange | None = None
    for each in sorted(ranges, key=lambda each: (each.start, each.end)):
        if each.end <= each.start:
            continue
        if reach is not None and each.start < reach.end:
            findings.damage(
                "partitions-overlap",
                f"The partition table is damaged: {reach.what} and {each.what} "
                f"both hold byte {each.start} of the disk.",
            )
        if reach is None or each.end > reach.end:
            reach = each


def report_past_end(partitions: Iterable[Partition], size: int, findings: Findings) -> None:
    """Note the partitions that a disk of `size` bytes cannot hold: the image was cut off."""
    numbers = [str(partition.number) for partition in partitions if partition.end > size]
    if numbers:
        which = "Partition " + numbers[0] if len(numbers) == 1 else "Partitions " + ", ".join(numbers)
        verb = "reaches" if len(numbers) == 1 else "reach"
        findings.note(
            "partition-past-end",
            f"{which} {verb} past the end of the disk, which has {size} bytes: the image is cut off.",
        )


def notices_past_end(table: PartitionTable, size: int) -> tuple[Notice, ...]:
    """What `report_past_end` notes of a table that was read while the disk's size was not known yet."""
    findings = Findings(tolerant=True)
    report_past_end(table.partitions, size, findings)
    return findings.notices

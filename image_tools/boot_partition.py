"""The boot partition: the FAT partition that the device reads its configuration from.

It is found by the labels of resinOS and balenaOS (and of their flasher images), otherwise by its contents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from image_tools.fat import FatFileSystem
from image_tools.partitions import Partition, PartitionTable, read_table
from resin_toolkit.errors import (
    FileSystemDamaged,
    NotAnImage,
    Notice,
    PartitionAmbiguous,
    PartitionNotFound,
)

BOOT_NAMES = ("resin-boot", "balena-boot", "flash-boot")
MARKER_FILES = ("/device-type.json", "/config.json")


@dataclass(frozen=True)
class BootPartition:
    """An open boot partition; `notices` are those of the table and the file system."""

    table: PartitionTable
    partition: Partition
    filesystem: FatFileSystem

    @property
    def notices(self) -> tuple[Notice, ...]:
        return (*self.table.notices, *self.filesystem.notices)


def open_boot(file: BinaryIO, number: int | None = None) -> BootPartition:
    """Open the boot partition of the image in `file`, or partition `number`.

    Raises PartitionNotFound, PartitionAmbiguous (more than one could be it), NotAnImage or FileSystemDamaged.
    """
    table = read_table(file)
    if number is not None:
        return _numbered(file, table, number)
    candidates, damage = _fat_partitions(file, table)
    for belongs in (_is_labelled, _holds_marker):
        found = [candidate for candidate in candidates if belongs(candidate)]
        if len(found) > 1:
            raise _ambiguous(found)
        if found:
            return found[0]
        if damage is not None:
            raise damage
    if not candidates:
        raise PartitionNotFound(
            f"The image has no FAT partition that could be the boot partition; {_listing(table.partitions)}.",
            hint="Check that it is a resinOS or balenaOS image, with `resin image info`.",
        )
    return candidates[0]


def fat_filesystems(file: BinaryIO) -> list[FatFileSystem]:
    """All readable FAT file systems of an image. Raises what `read_table` raises."""
    return [found.filesystem for found in _fat_partitions(file, read_table(file, tolerant=True))[0]]


def _numbered(file: BinaryIO, table: PartitionTable, number: int) -> BootPartition:
    partition = next((p for p in table.partitions if p.number == number), None)
    if partition is None or partition.is_extended:
        raise PartitionNotFound(
            f"The image has no partition {number} with files; {_listing(table.partitions)}.",
            hint="List its partitions with `resin image info`.",
        )
    try:
        filesystem = _open_fat(file, table, partition)
    except NotAnImage:
        raise PartitionNotFound(
            f"Partition {number} has no FAT file system.",
            hint="The boot partition must be FAT. List the partitions with `resin image info`.",
        ) from None
    return BootPartition(table, partition, filesystem)


def _fat_partitions(
    file: BinaryIO, table: PartitionTable
) -> tuple[list[BootPartition], FileSystemDamaged | None]:
    """The partitions with a readable FAT file system, and the error of the first damaged one."""
    found, damage = [], None
    for partition in table.partitions:
        if partition.is_extended:
            continue
        try:
            filesystem = _open_fat(file, table, partition)
        except NotAnImage:
            continue
        except FileSystemDamaged as error:
            damage = damage or _in_partition(error, partition)
            continue
        found.append(BootPartition(table, partition, filesystem))
    return found, damage


def _open_fat(file: BinaryIO, table: PartitionTable, partition: Partition) -> FatFileSystem:
    """Open the FAT file system of a partition, which a truncated image may cut off."""
    start = min(partition.start, table.size)
    return FatFileSystem.open(file, start, min(partition.size, table.size - start))


def _in_partition(error: FileSystemDamaged, partition: Partition) -> FileSystemDamaged:
    return FileSystemDamaged(f"Partition {partition.number}: {error.message}", hint=error.hint)


def _is_labelled(candidate: BootPartition) -> bool:
    names = (candidate.partition.name, candidate.filesystem.label)
    return any(name.lower() in BOOT_NAMES for name in names)


def _holds_marker(candidate: BootPartition) -> bool:
    return any(candidate.filesystem.find(path) is not None for path in MARKER_FILES)


def _ambiguous(found: Sequence[BootPartition]) -> PartitionAmbiguous:
    shown = ", ".join(f"{c.partition.number} ({c.filesystem.label or 'no label'})" for c in found)
    return PartitionAmbiguous(
        f"More than one partition could be the boot partition: {shown}.",
        hint="Select one with --partition N.",
        partitions=[candidate.partition.number for candidate in found],
    )


def _listing(partitions: Sequence[Partition]) -> str:
    describe: Callable[[Partition], str] = lambda p: f"{p.number} {p.name}".strip()  # noqa: E731
    return "it has " + (", ".join(describe(p) for p in partitions) or "no partition")

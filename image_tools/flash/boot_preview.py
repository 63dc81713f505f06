"""The boot partition of a compressed image, which is decompressed only up to that partition's end."""

from __future__ import annotations

from typing import BinaryIO, cast

from image_tools.boot_partition import BOOT_NAMES, BootPartition, open_boot
from image_tools.fat import FatFileSystem
from image_tools.fat.geometry import BOOT_SECTOR, read_geometry
from image_tools.flash.image_reader import ImageReader
from image_tools.flash.overlay import Overlay
from image_tools.partitions import Partition, read_table
from resin_toolkit.errors import FileSystemDamaged, NotAnImage, Notice, PartitionAmbiguous

START = 1024 * 1024
STEP = 16 * 1024 * 1024
_TRUNCATED = ("partition-past-end", "logical-partitions-cut-off", "gpt-backup-damaged")
"""Notices that only mean that the rest of the table is not known yet."""


def open_boot_preview(reader: ImageReader, number: int | None = None) -> tuple[Overlay, BootPartition]:
    """Open the boot partition, or partition `number`, in an overlay that records the changes.

    A compressed image is decompressed up to the end of the first partition with a boot label (or of the given
    number), or completely if there is none. A second partition with such a label behind it is not seen here:
    `check_unambiguous` finds it once everything is written. Raises what `open_boot` raises.
    """
    length = reader.known_size if reader.source.is_random_access else _end_of_boot(reader, number)
    if length is None:
        reader.keep(1 << 62)
        length = reader.known_size or 0
    overlay = Overlay(reader.view(length))
    return overlay, open_boot(cast(BinaryIO, overlay), number)


def definite_notices(boot: BootPartition) -> list[Notice]:
    """The notices of the boot partition that remain true once the whole image is known."""
    return [notice for notice in boot.notices if notice.code not in _TRUNCATED]


def check_unambiguous(written: BinaryIO, partition: Partition) -> None:
    """Raise PartitionAmbiguous if `written`, the whole disk, has another boot partition too."""
    found = open_boot(written)
    if found.partition.start != partition.start:
        raise PartitionAmbiguous(
            f"More than one partition could be the boot partition: {partition.number}, "
            f"{found.partition.number}.",
            hint="Select one with --partition N.",
            partitions=[partition.number, found.partition.number],
        )


def _end_of_boot(reader: ImageReader, number: int | None) -> int | None:
    """The end of the boot partition; None if it can be identified only in the whole image."""
    length, looked_at = START, set[int]()
    while reader.keep(length):
        for partition in _partitions(reader, length):
            if partition.is_extended or partition.start in looked_at or partition.start + START > length:
                continue
            looked_at.add(partition.start)
            if partition.number == number or (number is None and _may_be_boot(reader, partition)):
                return partition.end if reader.keep(partition.end) else None
        length += STEP
    return None


def _partitions(reader: ImageReader, length: int) -> tuple[Partition, ...]:
    try:
        return read_table(reader.view(length), tolerant=True).partitions
    except NotAnImage:
        return ()


def _may_be_boot(reader: ImageReader, partition: Partition) -> bool:
    """Whether the partition has a boot name or label; a FAT is decompressed completely to find out."""
    if partition.name.lower() in BOOT_NAMES:
        return True
    try:
        read_geometry(reader.at(partition.start, BOOT_SECTOR).ljust(BOOT_SECTOR, b"\0"), partition.size)
        reader.keep(partition.end)
        fat = FatFileSystem.open(reader.view(partition.end), partition.start, partition.size)
    except (NotAnImage, FileSystemDamaged):
        return False
    return fat.label.lower() in BOOT_NAMES

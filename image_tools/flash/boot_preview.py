"""The boot partition of an image that is still packed: unpacked as far as that partition's end."""

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
"""Notices about a table of which only the beginning is known."""


def open_early(reader: ImageReader, number: int | None = None) -> tuple[Overlay, BootPartition]:
    """The boot partition, or partition `number`, opened in an overlay that takes the changes.

    A packed image is unpacked until a partition is labelled as the boot partition (or is the one of that
    number); where none is, to its end. A second one that is so labelled and lies behind is not seen here:
    `check_unambiguous` finds it once all is written. Raises what `open_boot` raises.
    """
    length = reader.known_size if reader.source.is_random_access else _end_of_boot(reader, number)
    if length is None:
        reader.keep(1 << 62)
        length = reader.known_size or 0
    overlay = Overlay(reader.view(length))
    return overlay, open_boot(cast(BinaryIO, overlay), number)


def lasting_notices(boot: BootPartition) -> list[Notice]:
    """The notices of the boot partition, less those that only say that the rest was not looked at."""
    return [notice for notice in boot.notices if notice.code not in _TRUNCATED]


def check_unambiguous(written: BinaryIO, partition: Partition) -> None:
    """Raise PartitionAmbiguous where `written`, the whole disk, names another boot partition too."""
    found = open_boot(written)
    if found.partition.start != partition.start:
        raise PartitionAmbiguous(
            f"More than one partition could be the boot partition: {partition.number}, "
            f"{found.partition.number}.",
            hint="Say which with --partition N.",
            partitions=[partition.number, found.partition.number],
        )


def _end_of_boot(reader: ImageReader, number: int | None) -> int | None:
    """Where the boot partition ends, None if only the whole image can tell which one it is."""
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
    """Whether it is named or labelled as the boot partition; a FAT is unpacked whole to tell."""
    if partition.name.lower() in BOOT_NAMES:
        return True
    try:
        read_geometry(reader.at(partition.start, BOOT_SECTOR).ljust(BOOT_SECTOR, b"\0"), partition.size)
        reader.keep(partition.end)
        fat = FatFileSystem.open(reader.view(partition.end), partition.start, partition.size)
    except (NotAnImage, FileSystemDamaged):
        return False
    return fat.label.lower() in BOOT_NAMES

"""Which kind of partition table a disk has, and what is in it."""

from __future__ import annotations

from typing import BinaryIO

from image_tools.file_window import Window, size_of
from image_tools.filesystems import probe
from image_tools.partitions.gpt import has_gpt, read_gpt
from image_tools.partitions.mbr import PROTECTIVE_TYPE, SECTOR, Slot, read_mbr, read_slots
from image_tools.partitions.model import Findings, Partition, PartitionTable, Scheme
from resin_toolkit.errors import NotAnImage


def read_table(file: BinaryIO, size: int | None = None, *, tolerant: bool = False) -> PartitionTable:
    """Read the partition table of a disk, or the lack of one; nothing is written.

    `size` is the disk's size in bytes, found by seeking to its end where it is None. Raises NotAnImage where
    there is neither a table nor a file system that we know.

    A table that contradicts itself (partitions that overlap, a loop of logical partitions) raises
    ImageDamaged: any of its partitions might be the one to be written to, and a write to it could hit
    another. With `tolerant`, for showing what is there or for copying the disk as a whole, it is a notice,
    and what could be read is returned; even so, a GPT of which neither copy is sound raises ImageDamaged.

    What leaves the partitions certain is a notice either way: a GPT of which one copy is bad, a hybrid MBR,
    partitions that reach past the end of a truncated image.
    """
    disk = Window(file, 0, size_of(file) if size is None else size)
    findings = Findings(tolerant=tolerant)
    slots = read_slots(disk.read(0, SECTOR))
    if slots is not None and any(slot.type == PROTECTIVE_TYPE for slot in slots):
        return _gpt(disk, slots, findings)
    if slots is not None and is_sane(slots, disk.size):
        return _mbr(disk, slots, findings)
    if probe(file, 0, disk.size, usage=False).is_known:
        whole = Partition(number=1, start=0, size=disk.size, type_code="")
        return PartitionTable(Scheme.NONE, SECTOR, (whole,), findings.notices, disk.size)
    if has_gpt(disk):
        findings.note(
            "protective-mbr-missing",
            "The partition table (GPT) lacks its protective MBR: Linux would not find the partitions.",
        )
        return _gpt(disk, (), findings)
    if slots is None:
        raise NotAnImage(
            "There is neither a partition table nor a known file system in it.",
            hint="Give the image of a whole disk, unpacked, or a drive.",
        )
    return _mbr(disk, slots, findings)


def is_sane(slots: tuple[Slot, ...], size: int) -> bool:
    """Whether this is a table beyond doubt, whatever else the sector may look like.

    mkfs.fat can write a table with one partition that covers the disk from sector 0 into the boot sector of
    a file system without a table; what is left of a boot program may look like partitions far outside.
    """
    return all(slot.start for slot in slots) and any(slot.start * SECTOR < size for slot in slots)


def _mbr(disk: Window, slots: tuple[Slot, ...], findings: Findings) -> PartitionTable:
    partitions = read_mbr(disk, slots, findings)
    return PartitionTable(Scheme.MBR, SECTOR, partitions, findings.notices, disk.size)


def _gpt(disk: Window, slots: tuple[Slot, ...], findings: Findings) -> PartitionTable:
    hybrid = any(slot.type != PROTECTIVE_TYPE for slot in slots)
    if hybrid:
        findings.note(
            "hybrid-mbr",
            "The disk has two partition tables, a GPT and an MBR; the partitions of the GPT are used.",
        )
    sector_size, partitions = read_gpt(disk, findings)
    scheme = Scheme.HYBRID if hybrid else Scheme.GPT
    return PartitionTable(scheme, sector_size, partitions, findings.notices, disk.size)

"""Detecting and reading the partition table of a disk."""

from __future__ import annotations

from typing import BinaryIO

from image_tools.file_window import Window, size_of
from image_tools.filesystems import probe
from image_tools.partitions.gpt import has_gpt, read_gpt
from image_tools.partitions.mbr import PROTECTIVE_TYPE, SECTOR, MbrEntry, read_mbr, read_mbr_entries
from image_tools.partitions.model import Findings, Partition, PartitionTable, Scheme
from resin_toolkit.errors import NotAnImage


def read_table(file: BinaryIO, size: int | None = None, *, tolerant: bool = False) -> PartitionTable:
    """Read the partition table of a disk; a disk without one may be a single file system.

    `size` is the size of the disk in bytes; if None, it is found by seeking to the end. Raises NotAnImage if
    there is neither a table nor a known file system.

    An inconsistent table (overlapping partitions, a loop of logical partitions) raises ImageDamaged, because
    a write to one of its partitions could hit another. With `tolerant`, for displaying or copying a whole
    disk, it is a notice, and the readable partitions are returned; a GPT without a valid copy still raises
    ImageDamaged.

    Problems that leave no doubt about the partitions are always notices: a GPT with one bad copy, a hybrid
    MBR, partitions past the end of a truncated image.
    """
    disk = Window(file, 0, size_of(file) if size is None else size)
    findings = Findings(tolerant=tolerant)
    mbr_entries = read_mbr_entries(disk.read(0, SECTOR))
    if mbr_entries is not None and any(entry.type == PROTECTIVE_TYPE for entry in mbr_entries):
        return _gpt(disk, mbr_entries, findings)
    if mbr_entries is not None and is_plausible_table(mbr_entries, disk.size):
        return _mbr(disk, mbr_entries, findings)
    if probe(file, 0, disk.size, usage=False).is_known:
        whole = Partition(number=1, start=0, size=disk.size, type_code="")
        return PartitionTable(Scheme.NONE, SECTOR, (whole,), findings.notices, disk.size)
    if has_gpt(disk):
        findings.note(
            "protective-mbr-missing",
            "The partition table (GPT) lacks its protective MBR, so Linux will not find the partitions.",
        )
        return _gpt(disk, (), findings)
    if mbr_entries is None:
        raise NotAnImage(
            "No partition table and no known file system was found.",
            hint="Give an uncompressed image of a whole disk, or a drive.",
        )
    return _mbr(disk, mbr_entries, findings)


def is_plausible_table(mbr_entries: tuple[MbrEntry, ...], size: int) -> bool:
    """Whether the entries can only be a table, whatever else the sector looks like.

    mkfs.fat may write a table with one partition from sector 0 into the boot sector of an unpartitioned disk,
    and remains of boot code may look like partitions far outside of it.
    """
    return all(entry.start for entry in mbr_entries) and any(
        entry.start * SECTOR < size for entry in mbr_entries
    )


def _mbr(disk: Window, mbr_entries: tuple[MbrEntry, ...], findings: Findings) -> PartitionTable:
    partitions = read_mbr(disk, mbr_entries, findings)
    return PartitionTable(Scheme.MBR, SECTOR, partitions, findings.notices, disk.size)


def _gpt(disk: Window, mbr_entries: tuple[MbrEntry, ...], findings: Findings) -> PartitionTable:
    hybrid = any(entry.type != PROTECTIVE_TYPE for entry in mbr_entries)
    if hybrid:
        findings.note(
            "hybrid-mbr",
            "The disk has two partition tables, a GPT and an MBR; the partitions of the GPT are used.",
        )
    sector_size, partitions = read_gpt(disk, findings)
    scheme = Scheme.HYBRID if hybrid else Scheme.GPT
    return PartitionTable(scheme, sector_size, partitions, findings.notices, disk.size)

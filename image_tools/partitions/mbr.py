"""MBR partition tables, with extended partitions.

Sources: UEFI specification 2.10, section 5.2.1 "Legacy Master Boot Record"; for extended partitions and
the numbers of logical ones, block/partitions/msdos.c of Linux.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from image_tools.file_window import Window
from image_tools.partitions.model import (
    Findings,
    OwnedRange,
    Partition,
    owned_range,
    report_overlaps,
    report_past_end,
)

SECTOR = 512
TABLE_START = 446
SIGNATURE = b"\x55\xaa"
EXTENDED_TYPES = frozenset((0x05, 0x0F, 0x85))
PROTECTIVE_TYPE = 0xEE
FIRST_LOGICAL = 5
# Linux supports at most 255 partitions on a disk.
MAX_CHAINED_TABLES = 256


@dataclass(frozen=True)
class MbrEntry:
    """One of the four entries of a table. `start` and `count` in sectors; the base of `start` varies."""

    index: int
    boot_indicator: int
    type: int
    start: int
    count: int

    @property
    def is_extended(self) -> bool:
        return self.type in EXTENDED_TYPES


def read_mbr_entries(sector: bytes) -> tuple[MbrEntry, ...] | None:
    """The used entries of the table in `sector`; None if it holds no table.

    The boot sector of a file system ends in the same signature. Its code in place of the table is recognized
    by invalid boot indicators.
    """
    if len(sector) < SECTOR or sector[510:512] != SIGNATURE:
        return None
    entries = []
    for index in range(4):
        indicator, kind, start, count = struct.unpack_from("<B3xB3xII", sector, TABLE_START + 16 * index)
        if indicator not in (0x00, 0x80):
            return None
        # As in Linux, the size decides whether an entry is used, not the type.
        if count:
            entries.append(MbrEntry(index, indicator, kind, start, count))
    return tuple(entries)


def read_mbr(disk: Window, entries: tuple[MbrEntry, ...], findings: Findings) -> tuple[Partition, ...]:
    """The partitions of the table with these `entries`, logical ones last.

    Reported as damage: partitions that overlap each other or the table, a logical partition outside its
    extended one, a chain of tables that loops or points to a sector without a table. A chain that points past
    the end of the disk is only noted, because the image may be truncated.
    """
    primary = [_partition(entry, entry.index + 1, 0) for entry in entries]
    report_overlaps([OwnedRange(0, SECTOR, "the table"), *map(owned_range, primary)], findings)
    logical: list[Partition] = []
    tables: list[OwnedRange] = []
    for extended in primary:
        if extended.is_extended:
            _follow_chain(disk, extended, logical, tables, findings)
    report_overlaps([*tables, *map(owned_range, logical)], findings)
    partitions = (*primary, *logical)
    report_past_end(partitions, disk.size, findings)
    return partitions


def _follow_chain(
    disk: Window, extended: Partition, logical: list[Partition], tables: list[OwnedRange], findings: Findings
) -> None:
    """Append the logical partitions inside `extended`, and the ranges of their tables."""
    seen: set[int] = set()
    position: int | None = extended.start
    while position is not None:
        if position in seen:
            return _broken(extended, f"its chain of tables loops at byte {position}", findings)
        if len(seen) == MAX_CHAINED_TABLES:
            return _broken(extended, f"its chain has more than {MAX_CHAINED_TABLES} tables", findings)
        seen.add(position)
        entries = _read_chained_table(disk, extended, position, findings)
        if entries is None:
            return None
        tables.append(OwnedRange(position, position + SECTOR, f"the table at byte {position}"))
        _collect_logical_partitions(extended, position, entries, logical, findings)
        position = _next_table(extended, entries, findings)
    return None


def _read_chained_table(
    disk: Window, extended: Partition, position: int, findings: Findings
) -> tuple[MbrEntry, ...] | None:
    sector = disk.read(position, SECTOR)
    if len(sector) < SECTOR:
        findings.note(
            "logical-partitions-cut-off",
            f"The image ends before byte {position}, where the list of logical partitions continues.",
        )
        return None
    entries = read_mbr_entries(sector)
    if entries is None and (any(sector) or position != extended.start):
        _broken(extended, f"there is no table at byte {position}, where its chain points to", findings)
    return entries


def _collect_logical_partitions(
    extended: Partition,
    position: int,
    entries: tuple[MbrEntry, ...],
    logical: list[Partition],
    findings: Findings,
) -> None:
    for entry in entries:
        if entry.is_extended:
            continue
        partition = _partition(entry, FIRST_LOGICAL + len(logical), position, is_logical=True)
        inside = extended.start <= partition.start and partition.end <= extended.end
        # Linux ignores invalid contents of the last two entries.
        if not inside and entry.index >= 2:
            continue
        if not inside:
            _broken(extended, f"logical partition {partition.number} does not lie inside it", findings)
        logical.append(partition)


def _next_table(extended: Partition, entries: tuple[MbrEntry, ...], findings: Findings) -> int | None:
    for entry in entries:
        if entry.is_extended:
            position = extended.start + entry.start * SECTOR
            if position < extended.end:
                return position
            _broken(extended, f"its chain of tables points outside of it, to byte {position}", findings)
            return None
    return None


def _partition(entry: MbrEntry, number: int, base: int, *, is_logical: bool = False) -> Partition:
    return Partition(
        number=number,
        start=base + entry.start * SECTOR,
        size=entry.count * SECTOR,
        type_code=f"0x{entry.type:02x}",
        is_extended=entry.is_extended,
        is_logical=is_logical,
        bootable=entry.boot_indicator == 0x80,
    )


def _broken(extended: Partition, reason: str, findings: Findings) -> None:
    findings.damage(
        "extended-partition-damaged", f"The extended partition {extended.number} is damaged: {reason}."
    )

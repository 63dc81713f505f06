"""MBR partition tables, with extended partitions.

Sources: UEFI specification 2.10, section 5.2.1 "Legacy Master Boot Record"; for extended partitions and for
the numbers of logical ones, what Linux does in block/partitions/msdos.c.
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
# Linux numbers no more than 255 partitions on a disk, so a longer chain cannot be meant.
MOST_LINKS = 256


@dataclass(frozen=True)
class Slot:
    """One of the four entries of a table; `start` and `count` in sectors, from a base that varies."""

    index: int
    boot_indicator: int
    type: int
    start: int
    count: int

    @property
    def is_extended(self) -> bool:
        return self.type in EXTENDED_TYPES


def read_slots(sector: bytes) -> tuple[Slot, ...] | None:
    """The entries in use of the table in `sector`; None where it holds no table.

    The boot sector of a file system ends in the same signature; its program text at the table's place
    is told by boot indicators that no table has.
    """
    if len(sector) < SECTOR or sector[510:512] != SIGNATURE:
        return None
    slots = []
    for index in range(4):
        indicator, kind, start, count = struct.unpack_from("<B3xB3xII", sector, TABLE_START + 16 * index)
        if indicator not in (0x00, 0x80):
            return None
        # As for Linux, it is the size that says whether an entry is in use, not the type.
        if count:
            slots.append(Slot(index, indicator, kind, start, count))
    return tuple(slots)


def read_mbr(disk: Window, slots: tuple[Slot, ...], findings: Findings) -> tuple[Partition, ...]:
    """The partitions of the table that `slots` was read from, the logical ones at the end.

    Damage: partitions that overlap each other or the table, a logical partition outside its extended one,
    a chain of tables that loops or leads to a sector that holds none. A chain that leads past the end of
    the disk is noted only, since it tells of a truncated image.
    """
    primary = [_partition(slot, slot.index + 1, 0) for slot in slots]
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
    """Append the logical partitions inside `extended`, and where their tables lie."""
    seen: set[int] = set()
    position: int | None = extended.start
    while position is not None:
        if position in seen:
            return _broken(extended, f"its chain of tables loops at byte {position}", findings)
        if len(seen) == MOST_LINKS:
            return _broken(extended, f"its chain has more than {MOST_LINKS} tables", findings)
        seen.add(position)
        slots = _linked_slots(disk, extended, position, findings)
        if slots is None:
            return None
        tables.append(OwnedRange(position, position + SECTOR, f"the table at byte {position}"))
        _take_logicals(extended, position, slots, logical, findings)
        position = _next_link(extended, slots, findings)
    return None


def _linked_slots(
    disk: Window, extended: Partition, position: int, findings: Findings
) -> tuple[Slot, ...] | None:
    sector = disk.read(position, SECTOR)
    if len(sector) < SECTOR:
        findings.note(
            "logical-partitions-cut-off",
            f"The image ends before byte {position}, where the list of logical partitions goes on.",
        )
        return None
    slots = read_slots(sector)
    if slots is None and (any(sector) or position != extended.start):
        _broken(extended, f"there is no table at byte {position}, where its chain leads", findings)
    return slots


def _take_logicals(
    extended: Partition, position: int, slots: tuple[Slot, ...], logical: list[Partition], findings: Findings
) -> None:
    for slot in slots:
        if slot.is_extended:
            continue
        partition = _partition(slot, FIRST_LOGICAL + len(logical), position, is_logical=True)
        inside = extended.start <= partition.start and partition.end <= extended.end
        # Linux takes no notice of what the upper two slots hold by accident.
        if not inside and slot.index >= 2:
            continue
        if not inside:
            _broken(extended, f"logical partition {partition.number} does not lie inside it", findings)
        logical.append(partition)


def _next_link(extended: Partition, slots: tuple[Slot, ...], findings: Findings) -> int | None:
    for slot in slots:
        if slot.is_extended:
            position = extended.start + slot.start * SECTOR
            if position < extended.end:
                return position
            _broken(extended, f"its chain of tables leads out of it, to byte {position}", findings)
            return None
    return None


def _partition(slot: Slot, number: int, base: int, *, is_logical: bool = False) -> Partition:
    return Partition(
        number=number,
        start=base + slot.start * SECTOR,
        size=slot.count * SECTOR,
        type_code=f"0x{slot.type:02x}",
        is_extended=slot.is_extended,
        is_logical=is_logical,
        bootable=slot.boot_indicator == 0x80,
    )


def _broken(extended: Partition, reason: str, findings: Findings) -> None:
    findings.damage(
        "extended-partition-damaged", f"The extended partition {extended.number} is damaged: {reason}."
    )

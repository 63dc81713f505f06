"""GUID partition tables, from the primary copy or from the backup.

Source: UEFI specification 2.10, section 5.3 "GUID Partition Table (GPT) Disk Layout".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from image_tools.file_window import Window
from image_tools.partitions.model import (
    Findings,
    OwnedRange,
    Partition,
    owned_range,
    report_overlaps,
    report_past_end,
    table_damaged,
)

SECTOR_SIZES = (512, 4096)
SIGNATURE = b"EFI PART"
PRIMARY_LBA = 1
MIN_HEADER_SIZE = 92
MIN_ENTRY_SIZE = 128
# 128 entries of 128 bytes are usual. A damaged or malicious count must not exhaust the memory.
MAX_ENTRIES_SIZE = 4 * 1024 * 1024
LEGACY_BOOTABLE = 1 << 2
UNUSED_TYPE = bytes(16)


@dataclass(frozen=True)
class GptCopy:
    """One of the two copies of a GPT, with valid checksums. Addresses in sectors."""

    sector_size: int
    lba: int
    alternate: int
    first_usable: int
    last_usable: int
    entries_lba: int
    entry_size: int
    entries: bytes

    def owned_ranges(self) -> tuple[OwnedRange, OwnedRange]:
        """The byte ranges of its header and its entries."""
        header, entries = self.lba * self.sector_size, self.entries_lba * self.sector_size
        what = "the table" if self.lba == PRIMARY_LBA else "the table's backup"
        return (
            OwnedRange(header, header + self.sector_size, what),
            OwnedRange(entries, entries + len(self.entries), what),
        )


class _Unusable(Exception):
    """Why a copy cannot be used; `alternate` is the sector of the other copy according to its header."""

    def __init__(self, reason: str, alternate: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.alternate = alternate


def has_gpt(disk: Window) -> bool:
    """Whether the disk has a valid primary copy."""
    return any(isinstance(_try_copy(disk, PRIMARY_LBA, size), GptCopy) for size in SECTOR_SIZES)


def read_gpt(disk: Window, findings: Findings) -> tuple[int, tuple[Partition, ...]]:
    """The sector size in bytes and the partitions, from the first copy with valid checksums.

    Partitions that overlap each other or the table, or end before they start, are reported as damage. Raises
    ImageDamaged if neither copy can be used. A bad copy is noted if the other one is used.
    """
    copy = _first_valid_copy(disk, findings)
    partitions = tuple(_partitions(copy, findings))
    report_overlaps([*copy.owned_ranges(), *map(owned_range, partitions)], findings)
    _report_partitions_outside(copy, partitions, findings)
    report_past_end(partitions, disk.size, findings)
    return copy.sector_size, partitions


def _first_valid_copy(disk: Window, findings: Findings) -> GptCopy:
    failures = []
    for sector_size in SECTOR_SIZES:
        primary = _try_copy(disk, PRIMARY_LBA, sector_size)
        if isinstance(primary, GptCopy):
            _check_backup(disk, primary, findings)
            return primary
        failures.append((sector_size, primary))
    # Report the sector size at which a header was found; otherwise the smaller one.
    failures.sort(key=lambda failure: failure[1].alternate is None)
    reason = failures[0][1].reason
    for sector_size, failure in failures:
        for lba in _backup_locations(disk, sector_size, failure):
            backup = _try_copy(disk, lba, sector_size)
            if isinstance(backup, GptCopy):
                findings.note(
                    "gpt-primary-damaged",
                    f"The partition table (GPT) is damaged: {reason}. Its backup is used.",
                )
                return backup
    raise table_damaged(f"The partition table (GPT) and its backup are damaged: {reason}.")


def _backup_locations(disk: Window, sector_size: int, failure: _Unusable) -> Iterator[int]:
    """The sector that the damaged primary copy names, then the last sector of the disk.

    A small image on a large card may have its backup before the end of the card.
    """
    last = disk.size // sector_size - 1
    if failure.alternate is not None and PRIMARY_LBA < failure.alternate < last:
        yield failure.alternate
    if last > PRIMARY_LBA:
        yield last


def _check_backup(disk: Window, primary: GptCopy, findings: Findings) -> None:
    backup = _try_copy(disk, primary.alternate, primary.sector_size)
    if isinstance(backup, _Unusable):
        findings.note(
            "gpt-backup-damaged",
            f"The backup of the partition table (GPT) is damaged: {backup.reason}.",
        )


def _try_copy(disk: Window, lba: int, sector_size: int) -> GptCopy | _Unusable:
    try:
        return _read_copy(disk, lba, sector_size)
    except _Unusable as unusable:
        return unusable


def _read_copy(disk: Window, lba: int, sector_size: int) -> GptCopy:
    header = disk.read(lba * sector_size, sector_size)
    if len(header) < sector_size:
        raise _Unusable(f"the disk ends before sector {lba}, where its header should be")
    if header[:8] != SIGNATURE:
        raise _Unusable(f"there is no header at sector {lba}")
    size, checksum = struct.unpack_from("<II", header, 12)
    own, alternate, first_usable, last_usable = struct.unpack_from("<QQQQ", header, 24)
    entries_lba, count, entry_size, entries_checksum = struct.unpack_from("<QIII", header, 72)
    if not MIN_HEADER_SIZE <= size <= sector_size:
        raise _Unusable(f"its header has an invalid size of {size} bytes", alternate)
    if zlib.crc32(header[:16] + bytes(4) + header[20:size]) != checksum:
        raise _Unusable("the checksum of its header is wrong", alternate)
    if own != lba:
        raise _Unusable(f"its header at sector {lba} says that it is at sector {own}", alternate)
    if entry_size < MIN_ENTRY_SIZE or entry_size & (entry_size - 1):
        raise _Unusable(f"its entries have an invalid size of {entry_size} bytes", alternate)
    if count * entry_size > MAX_ENTRIES_SIZE:
        raise _Unusable(f"it has too many entries: {count} of {entry_size} bytes", alternate)
    entries = disk.read(entries_lba * sector_size, count * entry_size)
    if len(entries) < count * entry_size:
        raise _Unusable("the disk ends before its entries do", alternate)
    if zlib.crc32(entries) != entries_checksum:
        raise _Unusable("the checksum of its entries is wrong", alternate)
    return GptCopy(sector_size, lba, alternate, first_usable, last_usable, entries_lba, entry_size, entries)


def _partitions(copy: GptCopy, findings: Findings) -> Iterator[Partition]:
    for index in range(len(copy.entries) // copy.entry_size):
        start = index * copy.entry_size
        entry = copy.entries[start : start + MIN_ENTRY_SIZE]
        if entry[:16] == UNUSED_TYPE:
            continue
        first, last, attributes = struct.unpack_from("<QQQ", entry, 32)
        if last < first:
            findings.damage(
                "gpt-partition-damaged",
                f"The partition table (GPT) is damaged: partition {index + 1} begins at sector {first} "
                f"and ends at {last}.",
            )
            continue
        yield Partition(
            number=index + 1,
            start=first * copy.sector_size,
            size=(last - first + 1) * copy.sector_size,
            type_code=_guid(entry[:16]),
            name=entry[56:128].decode("utf-16-le", "replace").partition("\0")[0],
            bootable=bool(attributes & LEGACY_BOOTABLE),
        )


def _report_partitions_outside(copy: GptCopy, partitions: tuple[Partition, ...], findings: Findings) -> None:
    start, end = copy.first_usable * copy.sector_size, (copy.last_usable + 1) * copy.sector_size
    outside = [str(p.number) for p in partitions if p.start < start or p.end > end]
    if outside:
        findings.note(
            "gpt-partition-outside",
            f"The partition table (GPT) has partitions outside its usable sectors {copy.first_usable} to "
            f"{copy.last_usable}: {', '.join(outside)}.",
        )


def _guid(raw: bytes) -> str:
    """The text of a GUID, whose first three fields are little-endian (appendix A)."""
    low, middle, high = struct.unpack_from("<IHH", raw)
    rest = raw[8:].hex()
    return f"{low:08x}-{middle:04x}-{high:04x}-{rest[:4]}-{rest[4:]}".upper()

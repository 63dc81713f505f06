"""A GPT on a drive that is larger than the image: its backup moves to the drive's end.

Source: UEFI specification 2.10, sections 5.2.3 "Protective MBR" and 5.3 "GUID Partition Table (GPT)".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from image_tools.partitions.gpt import LEAST_HEADER, MOST_ENTRY_BYTES, PRIMARY_LBA, SIGNATURE
from image_tools.partitions.mbr import PROTECTIVE_TYPE, SECTOR, TABLE_START, read_slots
from resin_toolkit.errors import Notice

READABLE = 1024 * 1024
"""The table must lie in so many bytes at the image's start."""
_LARGEST_COUNT = 0xFFFFFFFF

Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Relocation:
    """What is laid over the image, as (offset, bytes) in whole sectors; and what the user should know."""

    changes: tuple[tuple[int, bytes], ...] = ()
    notices: tuple[Notice, ...] = ()


def relocated(read: Read, drive_size: int, drive_sector: int) -> Relocation | None:
    """How the GPT that begins the image changes for a drive of `drive_size` bytes.

    `read(offset, length)` gives bytes of the image's first `READABLE` bytes. Returns None where the image has
    no sound primary GPT, or where that fits the drive as it is.
    """
    sector = _sector_size(read)
    if sector is None:
        return None
    if sector != drive_sector:
        return Relocation(notices=(_other_sectors(sector, drive_sector),))
    header = bytearray(read(PRIMARY_LBA * sector, sector))
    alternate = struct.unpack_from("<Q", header, 32)[0]
    last = drive_size // sector - 1
    entries = _entries(read, header, sector)
    if entries is None or last <= alternate:
        return None
    entry_sectors = -(-len(entries) // sector)
    backup_entries = last - entry_sectors
    (first_usable,) = struct.unpack_from("<Q", header, 40)
    if backup_entries <= max(first_usable, struct.unpack_from("<Q", header, 48)[0]):
        return None
    struct.pack_into("<Q", header, 48, backup_entries - 1)
    primary, backup = bytearray(header), bytearray(header)
    struct.pack_into("<Q", primary, 32, last)
    struct.pack_into("<QQ", backup, 24, last, PRIMARY_LBA)
    struct.pack_into("<Q", backup, 72, backup_entries)
    end = entries.ljust(entry_sectors * sector, b"\0") + _signed(backup)
    changes = [(PRIMARY_LBA * sector, _signed(primary)), (backup_entries * sector, end)]
    protective = _protective(read(0, SECTOR), alternate, last)
    if protective is not None:
        changes.insert(0, (0, protective))
    return Relocation(tuple(changes))


def _sector_size(read: Read) -> int | None:
    """The size of the sectors that a sound primary header was written for."""
    for sector in (512, 4096):
        header = read(PRIMARY_LBA * sector, sector)
        if len(header) < sector or header[:8] != SIGNATURE:
            continue
        size, checksum = struct.unpack_from("<II", header, 12)
        own = struct.unpack_from("<Q", header, 24)[0]
        sound = LEAST_HEADER <= size <= sector and own == PRIMARY_LBA
        if sound and zlib.crc32(header[:16] + bytes(4) + header[20:size]) == checksum:
            return sector
    return None


def _entries(read: Read, header: bytearray, sector: int) -> bytes | None:
    lba, count, size, checksum = struct.unpack_from("<QIII", header, 72)
    length = count * size
    if not 0 < length <= MOST_ENTRY_BYTES or lba * sector + length > READABLE:
        return None
    entries = read(lba * sector, length)
    return entries if len(entries) == length and zlib.crc32(entries) == checksum else None


def _signed(header: bytearray) -> bytes:
    (size,) = struct.unpack_from("<I", header, 12)
    struct.pack_into("<I", header, 16, 0)
    struct.pack_into("<I", header, 16, zlib.crc32(bytes(header[:size])))
    return bytes(header)


def _protective(mbr: bytes, old_last: int, last: int) -> bytes | None:
    """The protective MBR for the larger drive; None where it does not cover the old one to its end."""
    slots = read_slots(mbr) or ()
    changed = bytearray(mbr)
    for slot in slots:
        if slot.type != PROTECTIVE_TYPE or slot.start + slot.count - 1 < min(old_last, _LARGEST_COUNT):
            continue
        place = TABLE_START + 16 * slot.index
        struct.pack_into("<I", changed, place + 12, min(last + 1 - slot.start, _LARGEST_COUNT))
    return bytes(changed) if bytes(changed) != mbr else None


def _other_sectors(sector: int, drive_sector: int) -> Notice:
    return Notice(
        "other-sector-size",
        f"The image is made for sectors of {sector} bytes, and the drive has sectors of {drive_sector}: "
        "its partitions will not be found there.",
    )

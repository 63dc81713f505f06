"""Moving the backup of a GPT to the end of a drive that is larger than the image.

Source: UEFI specification 2.10, sections 5.2.3 "Protective MBR" and 5.3 "GUID Partition Table (GPT)".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from image_tools.partitions.gpt import MAX_ENTRIES_SIZE, MIN_HEADER_SIZE, PRIMARY_LBA, SIGNATURE
from image_tools.partitions.mbr import PROTECTIVE_TYPE, SECTOR, TABLE_START, read_mbr_entries
from resin_toolkit.errors import Notice

READABLE = 1024 * 1024
"""The table must lie within this many bytes from the start of the image."""
_LARGEST_COUNT = 0xFFFFFFFF

Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Relocation:
    """The changes to the image, as (offset, bytes) in whole sectors, and notices for the user."""

    changes: tuple[tuple[int, bytes], ...] = ()
    notices: tuple[Notice, ...] = ()


def relocate_gpt(read: Read, drive_size: int, drive_sector: int) -> Relocation | None:
    """The changes that adapt the GPT of an image to a drive of `drive_size` bytes.

    `read(offset, length)` reads from the first `READABLE` bytes of the image. Returns None if the image has
    no valid primary GPT, or if nothing has to change.
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
    end = entries.ljust(entry_sectors * sector, b"\0") + _with_checksum(backup)
    changes = [(PRIMARY_LBA * sector, _with_checksum(primary)), (backup_entries * sector, end)]
    protective = _protective(read(0, SECTOR), alternate, last)
    if protective is not None:
        changes.insert(0, (0, protective))
    return Relocation(tuple(changes))


def _sector_size(read: Read) -> int | None:
    """The sector size at which a valid primary header is found."""
    for sector in (512, 4096):
        header = read(PRIMARY_LBA * sector, sector)
        if len(header) < sector or header[:8] != SIGNATURE:
            continue
        size, checksum = struct.unpack_from("<II", header, 12)
        own = struct.unpack_from("<Q", header, 24)[0]
        sound = MIN_HEADER_SIZE <= size <= sector and own == PRIMARY_LBA
        if sound and zlib.crc32(header[:16] + bytes(4) + header[20:size]) == checksum:
            return sector
    return None


def _entries(read: Read, header: bytearray, sector: int) -> bytes | None:
    lba, count, size, checksum = struct.unpack_from("<QIII", header, 72)
    length = count * size
    if not 0 < length <= MAX_ENTRIES_SIZE or lba * sector + length > READABLE:
        return None
    entries = read(lba * sector, length)
    return entries if len(entries) == length and zlib.crc32(entries) == checksum else None


def _with_checksum(header: bytearray) -> bytes:
    (size,) = struct.unpack_from("<I", header, 12)
    struct.pack_into("<I", header, 16, 0)
    struct.pack_into("<I", header, 16, zlib.crc32(bytes(header[:size])))
    return bytes(header)


def _protective(mbr: bytes, old_last: int, last: int) -> bytes | None:
    """The protective MBR for the larger drive; None if it did not cover the image to its end."""
    mbr_entries = read_mbr_entries(mbr) or ()
    changed = bytearray(mbr)
    for entry in mbr_entries:
        if entry.type != PROTECTIVE_TYPE or entry.start + entry.count - 1 < min(old_last, _LARGEST_COUNT):
            continue
        place = TABLE_START + 16 * entry.index
        struct.pack_into("<I", changed, place + 12, min(last + 1 - entry.start, _LARGEST_COUNT))
    return bytes(changed) if bytes(changed) != mbr else None


def _other_sectors(sector: int, drive_sector: int) -> Notice:
    return Notice(
        "other-sector-size",
        f"The image is made for {sector}-byte sectors, but the drive has {drive_sector}-byte sectors: "
        "its partitions will not be found.",
    )

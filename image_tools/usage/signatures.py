"""The signatures at the start of a partition, which decide whether its free blocks may be skipped."""

from __future__ import annotations

import io

from image_tools.fat.geometry import BOOT_SECTOR, Geometry, read_geometry
from image_tools.file_window import Window
from image_tools.filesystems.ext4 import MAGIC
from image_tools.filesystems.probe import find_signatures
from image_tools.partitions.mbr import read_mbr_entries
from image_tools.partitions.table import is_plausible_table
from resin_toolkit.errors import FileSystemDamaged, NotAnImage

SIGNATURE_RANGE = 128 * 1024
"""All signatures lie within this many bytes from the start of a partition."""
VERITY = b"verity\0\0"
AVB_FOOTER = b"AVBf"
AVB_FOOTER_SIZE = 64
VERITY_TYPES = frozenset(
    {
        # The Discoverable Partitions Specification: root and /usr verity of x86-64, x86, ARM 64 and 32 bit.
        "2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5",
        "D13C5D3B-B5D1-422A-B29F-9454FDC89D76",
        "DF3300CE-D69F-4C92-978C-9BFB0F38D820",
        "7386CDF2-203C-47A9-A498-F2ECCE45A2D6",
        "77FF5F63-E7B6-4633-ACF4-1565B864C0E6",
        "8F461B0D-14EE-4E81-9AA9-049B6FB97ABD",
        "6E11A4E7-FBCA-4DED-B9E9-E1A512BB664E",
        "C215D751-7BCD-4649-BE90-6627490A4C05",
    }
)
_MD_MAGIC = b"\xfc\x4e\x2b\xa9"
_BCACHE_MAGIC = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")


# A ZFS label starts after 16 KiB, with an XDR list whose first entry is the version.
_ZFS_LIST = 16 * 1024
_ZFS_VERSION = b"\0\0\0\7version"


def recognized_types(start: bytes, size: int) -> list[str]:
    """The names of everything recognized in a partition of `size` bytes, including FAT, ext and a table.

    `start` are its first `SIGNATURE_RANGE` bytes.
    """
    window = Window(io.BytesIO(start), 0, len(start))
    found = [found.type for found in find_signatures(window)]
    if geometry_of(start, 1 << 62) is not None:
        found.insert(0, "fat")
    if start[:8] == VERITY:
        found.append("verity")
    if any(start[sector : sector + 8] == b"LABELONE" for sector in (0, 512, 1024, 1536)):
        found.append("lvm")
    if _MD_MAGIC in (start[:4], start[4096:4100]):
        found.append("raid")
    if start[4096 + 24 : 4096 + 40] == _BCACHE_MAGIC:
        found.append("bcache")
    if start[_ZFS_LIST + 20 :].startswith(_ZFS_VERSION):
        found.append("zfs")
    # Partitioning may leave older data in place: everything from byte 512 on, or all but the table.
    if found and is_plausible_table(read_mbr_entries(start) or (), size):
        found.append("a partition table")
    return found


def has_ext_magic(start: bytes) -> bool:
    return int.from_bytes(start[0x438:0x43A], "little") == MAGIC


def geometry_of(start: bytes, room: int) -> Geometry | None:
    """The layout of the FAT file system at `start`; None if there is no valid one."""
    try:
        return read_geometry(start[:BOOT_SECTOR].ljust(BOOT_SECTOR, b"\0"), room)
    except (NotAnImage, FileSystemDamaged):
        return None

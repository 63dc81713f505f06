"""The superblock of ext2, ext3 and ext4.

Source: the Linux kernel's Documentation/filesystems/ext4/super.rst. The three are distinguished by the
features that their drivers support.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag

from image_tools.file_window import Window
from image_tools.filesystems.ext4_checksums import crc32c
from resin_toolkit.errors import FileSystemDamaged, NotAnImage

SUPERBLOCK = 1024
"""Both its position and its size, in bytes."""
MAGIC = 0xEF53
CLEAN = 0x0001
HAS_ERRORS = 0x0002
LARGEST_BLOCK_SHIFT = 6


class Compatible(IntFlag):
    """Features that a driver may ignore (only those used here)."""

    HAS_JOURNAL = 0x0004


class ReadOnlyCompatible(IntFlag):
    """Features that a driver must support to write (only those used here)."""

    SPARSE_SUPER = 0x0001
    LARGE_FILE = 0x0002
    BTREE_DIRECTORY = 0x0004
    GDT_CHECKSUM = 0x0010
    BIGALLOC = 0x0200
    METADATA_CHECKSUM = 0x0400


class Incompatible(IntFlag):
    """Features that a driver must support to read (only those used here)."""

    FILE_TYPE = 0x0002
    RECOVER = 0x0004
    JOURNAL_DEVICE = 0x0008
    META_BLOCK_GROUPS = 0x0010
    EXTENTS = 0x0040
    WIDE = 0x0080


_EXT3_INCOMPATIBLE = Incompatible.FILE_TYPE | Incompatible.RECOVER | Incompatible.META_BLOCK_GROUPS
_EXT3_READ_ONLY = (
    ReadOnlyCompatible.SPARSE_SUPER | ReadOnlyCompatible.LARGE_FILE | ReadOnlyCompatible.BTREE_DIRECTORY
)


@dataclass(frozen=True)
class Superblock:
    """The fields of a superblock. Sizes in bytes; counts in blocks unless the name says otherwise."""

    block_size: int
    cluster_size: int
    """The unit of allocation: `block_size`, unless the file system has bigalloc."""
    block_count: int
    free_blocks: int
    first_data_block: int
    blocks_per_group: int
    clusters_per_group: int
    inode_count: int
    free_inodes: int
    inodes_per_group: int
    descriptor_size: int
    """Of a block group descriptor."""
    label: str
    uuid: bytes
    state: int
    """Bit 0: cleanly unmounted; bit 1: errors were found."""
    revision: int
    compatible: Compatible
    incompatible: Incompatible
    read_only_compatible: ReadOnlyCompatible

    @property
    def type(self) -> str:
        """`ext2`, `ext3` or `ext4`; `jbd` for an external journal."""
        if self.incompatible & Incompatible.JOURNAL_DEVICE:
            return "jbd"
        if self.incompatible & ~_EXT3_INCOMPATIBLE or self.read_only_compatible & ~_EXT3_READ_ONLY:
            return "ext4"
        return "ext3" if self.compatible & Compatible.HAS_JOURNAL else "ext2"

    @property
    def total_bytes(self) -> int:
        return self.block_count * self.block_size

    @property
    def used_bytes(self) -> int:
        """The space that is not free, including metadata."""
        return (self.block_count - self.free_blocks) * self.block_size

    @property
    def is_clean(self) -> bool:
        """Whether it was unmounted cleanly, without errors or a journal to replay."""
        mounted = self.incompatible & Incompatible.RECOVER
        return bool(self.state & CLEAN) and not self.state & HAS_ERRORS and not mounted

    @property
    def group_count(self) -> int:
        return -(-(self.block_count - self.first_data_block) // self.blocks_per_group)


def read_superblock(window: Window) -> Superblock:
    """The superblock of the ext file system at the start of the window.

    Raises NotAnImage if there is none, FileSystemDamaged if its checksum is wrong or it is inconsistent. A
    file system larger than the window is accepted, because the image may be truncated.
    """
    raw = window.read(SUPERBLOCK, SUPERBLOCK)
    if len(raw) < SUPERBLOCK or _u16(raw, 0x38) != MAGIC:
        raise NotAnImage("No ext file system was found.", hint="Name the partition that holds one.")
    block_shift, cluster_shift = _u32(raw, 0x18), _u32(raw, 0x1C)
    if block_shift > LARGEST_BLOCK_SHIFT:
        raise _damaged("its blocks are larger than 64 KiB")
    superblock = _parse(raw, block_shift, cluster_shift)
    if superblock.read_only_compatible & ReadOnlyCompatible.METADATA_CHECKSUM:
        _check_sum(raw)
    if not superblock.incompatible & Incompatible.JOURNAL_DEVICE:
        _check(superblock)
    return superblock


def _parse(raw: bytes, block_shift: int, cluster_shift: int) -> Superblock:
    incompatible = Incompatible(_u32(raw, 0x60))
    read_only_compatible = ReadOnlyCompatible(_u32(raw, 0x64))
    revision = _u32(raw, 0x4C)
    wide = bool(incompatible & Incompatible.WIDE)
    block_count, free_blocks = _u32(raw, 0x04), _u32(raw, 0x0C)
    if wide:
        block_count |= _u32(raw, 0x150) << 32
        free_blocks |= _u32(raw, 0x158) << 32
    bigalloc = bool(read_only_compatible & ReadOnlyCompatible.BIGALLOC)
    return Superblock(
        block_size=1024 << block_shift,
        cluster_size=1024 << min(cluster_shift, 32) if bigalloc else 1024 << block_shift,
        block_count=block_count,
        free_blocks=free_blocks,
        first_data_block=_u32(raw, 0x14),
        blocks_per_group=_u32(raw, 0x20),
        clusters_per_group=_u32(raw, 0x24),
        inode_count=_u32(raw, 0x00),
        free_inodes=_u32(raw, 0x10),
        inodes_per_group=_u32(raw, 0x28),
        descriptor_size=_u16(raw, 0xFE) if wide else 32,
        label=raw[0x78:0x88].partition(b"\0")[0].decode("utf-8", "replace"),
        uuid=raw[0x68:0x78],
        state=_u16(raw, 0x3A),
        revision=revision,
        compatible=Compatible(_u32(raw, 0x5C)),
        incompatible=incompatible,
        read_only_compatible=read_only_compatible,
    )


def _check(superblock: Superblock) -> None:
    if not superblock.blocks_per_group or not superblock.inodes_per_group:
        raise _damaged("its block groups are empty")
    if superblock.first_data_block >= superblock.block_count:
        raise _damaged("its first data block is after its last block")
    if superblock.free_blocks > superblock.block_count:
        raise _damaged(f"{superblock.free_blocks} of its {superblock.block_count} blocks are marked as free")
    if superblock.free_inodes > superblock.inode_count:
        raise _damaged(f"{superblock.free_inodes} of its {superblock.inode_count} inodes are marked as free")
    if superblock.cluster_size < superblock.block_size:
        raise _damaged("its clusters are smaller than its blocks")
    if superblock.descriptor_size < 32:
        raise _damaged(f"its group descriptors have only {superblock.descriptor_size} bytes")


def _check_sum(raw: bytes) -> None:
    if crc32c(raw[:0x3FC]) != _u32(raw, 0x3FC):
        raise _damaged("the checksum of its superblock is wrong")


def _u16(raw: bytes, position: int) -> int:
    return int.from_bytes(raw[position : position + 2], "little")


def _u32(raw: bytes, position: int) -> int:
    return int(struct.unpack_from("<I", raw, position)[0])


def _damaged(reason: str) -> FileSystemDamaged:
    return FileSystemDamaged(
        f"The ext file system is damaged: {reason}.", hint="Download the image again, or run `e2fsck` on it."
    )

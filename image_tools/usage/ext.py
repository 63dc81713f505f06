"""The used blocks of an ext2, ext3 or ext4 file system, from its block bitmaps.

Source: the Linux kernel's Documentation/filesystems/ext4/ (super, group_descr, bitmaps, blockgroup, bigalloc)
and, for groups with an uninitialized bitmap, ext4_init_block_bitmap in fs/ext4/balloc.c.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from image_tools.byte_ranges import Range
from image_tools.file_window import Window
from image_tools.filesystems.ext4 import (
    SUPERBLOCK,
    Incompatible,
    ReadOnlyCompatible,
    Superblock,
    read_superblock,
)
from image_tools.filesystems.ext4_checksums import crc16, crc32c
from image_tools.usage.model import GRAIN

MAX_DESCRIPTORS_SIZE = 4 * 1024 * 1024
"""Enough for 8 TiB with 4 KiB blocks; limits the memory."""
_BLOCK_UNINITIALISED = 0x0002
_CHECKSUM_SEED = 0x2000
_SPARSE_SUPER_2 = 0x0200

# Features that do not change the meaning of a block bitmap.
_KNOWN_INCOMPATIBLE = (
    0x0002  # file types in directories
    | 0x0040  # extents
    | 0x0080  # 64-bit block numbers
    | 0x0100  # protection against two mounts
    | 0x0200  # flexible block groups
    | 0x0400  # large extended attributes in inodes
    | 0x1000  # data in directory entries
    | _CHECKSUM_SEED
    | 0x4000  # large directories
    | 0x8000  # data in inodes
    | 0x10000  # encryption of files
    | 0x20000  # names without regard to case
)
_KNOWN_READ_ONLY = (
    0x0001  # few backups of the superblock
    | 0x0002  # large files
    | 0x0004  # directories as trees
    | 0x0008  # huge files
    | 0x0010  # checksums of group descriptors
    | 0x0020  # many subdirectories
    | 0x0040  # large inodes
    | 0x0100  # quota
    | 0x0200  # clusters
    | 0x0400  # checksums of metadata
    | 0x1000  # read-only
    | 0x2000  # project quota
    | 0x8000  # fs-verity of files
)


class NotTrimmable(Exception):
    """The allocation data of the file system cannot be relied upon; `reason` is a clause."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Group:
    """A block group descriptor; block numbers count from the start of the file system."""

    number: int
    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    free_clusters: int
    is_uninitialised: bool
    bitmap_checksum: int
    is_valid: bool
    """Whether the descriptor's checksum is valid, or there is none."""


@dataclass(frozen=True)
class ExtLayout:
    """The layout of a file system with reliable bitmaps."""

    superblock: Superblock
    raw: bytes

    @classmethod
    def of(cls, start: bytes, room: int) -> ExtLayout:
        """Parse the first 2 KiB of a file system in a partition of `room` bytes.

        Raises NotTrimmable, and what `read_superblock` raises.
        """
        import io

        superblock = read_superblock(Window(io.BytesIO(start), 0, len(start)))
        layout = cls(superblock, start[SUPERBLOCK : 2 * SUPERBLOCK])
        layout._check(room)
        return layout

    @cached_property
    def descriptors(self) -> Range:
        """The byte range of the group descriptors, from the start of the file system."""
        superblock = self.superblock
        start = (SUPERBLOCK // superblock.block_size + 1) * superblock.block_size
        return start, start + superblock.group_count * superblock.descriptor_size

    @cached_property
    def bitmap_bytes(self) -> int:
        return self.superblock.clusters_per_group // 8

    def groups(self, raw: bytes) -> list[Group]:
        """Parse the group descriptors, which are the bytes at `descriptors`."""
        size = self.superblock.descriptor_size
        return [
            self._group(number, raw[number * size : (number + 1) * size])
            for number in range(self.superblock.group_count)
        ]

    def metadata(self, groups: list[Group]) -> list[Range]:
        """The blocks of all bitmaps and inode tables, as ascending (first, last + 1) pairs."""
        found = []
        for group in groups:
            for bitmap in (group.block_bitmap, group.inode_bitmap):
                found.append((bitmap, bitmap + 1))
            found.append((group.inode_table, group.inode_table + self._inode_table))
        return sorted(found)

    def free_ranges(self, group: Group, bitmap: bytes | None, metadata: list[Range]) -> list[Range] | None:
        """The free byte ranges of a group, from the start of the file system, that can fill a grain.

        `bitmap` is None for a group with an uninitialized bitmap; the `metadata` blocks always count as used.
        Returns None if the bitmap is unreliable.
        """
        first, count = self._clusters(group.number)
        everything = (1 << count) - 1
        used = self._implicit_metadata(group) if bitmap is None else int.from_bytes(bitmap, "little")
        if bitmap is not None and not self._is_bitmap_valid(group, bitmap):
            return None
        for start, end in metadata:
            used |= self._mask(group.number, start, end)
        used &= everything
        if count - used.bit_count() != group.free_clusters:
            return None
        cluster = self.superblock.cluster_size
        origin = (self.superblock.first_data_block * self.superblock.block_size) + first * cluster
        bits = format(used, f"0{count}b")[::-1]
        return [
            (origin + start * cluster, origin + end * cluster)
            for start, end in _runs_of_zeros(bits, max(1, GRAIN // cluster))
        ]

    def _check(self, room: int) -> None:
        superblock = self.superblock
        unknown = superblock.incompatible & ~_KNOWN_INCOMPATIBLE & ~Incompatible.RECOVER
        if superblock.incompatible & Incompatible.RECOVER:
            raise NotTrimmable("its journal has to be replayed")
        if superblock.read_only_compatible & 0x10000:
            raise NotTrimmable("it has orphaned files")
        unknown_read_only = superblock.read_only_compatible & ~_KNOWN_READ_ONLY
        if unknown or unknown_read_only:
            raise NotTrimmable(
                f"it has features that are not known ({int(unknown):#x}, {int(unknown_read_only):#x})"
            )
        if not superblock.is_clean:
            raise NotTrimmable("it was not unmounted cleanly")
        if superblock.revision > 1:
            raise NotTrimmable("its revision is not known")
        if superblock.total_bytes > room:
            raise NotTrimmable("it is longer than its partition")
        self._check_geometry(superblock)

    def _check_geometry(self, superblock: Superblock) -> None:
        ratio = superblock.cluster_size // superblock.block_size
        plausible = (
            superblock.blocks_per_group == superblock.clusters_per_group * ratio
            and 0 < superblock.clusters_per_group <= 8 * superblock.block_size
            and superblock.clusters_per_group % 8 == 0
            and superblock.first_data_block == (1 if superblock.block_size == 1024 and ratio == 1 else 0)
            and superblock.descriptor_size & (superblock.descriptor_size - 1) == 0
            and superblock.descriptor_size <= superblock.block_size
            and superblock.group_count * superblock.descriptor_size <= MAX_DESCRIPTORS_SIZE
            and superblock.inodes_per_group <= 8 * superblock.block_size
            and self._inode_table <= superblock.blocks_per_group
        )
        if not plausible:
            raise NotTrimmable("its block groups are not laid out as usual")

    def _group(self, number: int, raw: bytes) -> Group:
        low = struct.unpack_from("<IIIHHHHIHHHH", raw)
        wide = len(raw) >= 64
        high = struct.unpack_from("<IIIHHHHIHH", raw, 32) if wide else (0,) * 10
        return Group(
            number=number,
            block_bitmap=low[0] | high[0] << 32,
            inode_bitmap=low[1] | high[1] << 32,
            inode_table=low[2] | high[2] << 32,
            free_clusters=low[3] | high[3] << 16,
            is_uninitialised=self._has_checksums and bool(low[6] & _BLOCK_UNINITIALISED),
            bitmap_checksum=low[8] | high[8] << 16,
            is_valid=self._is_descriptor_valid(number, raw, low[11]),
        )

    @cached_property
    def _inode_table(self) -> int:
        """The blocks of each group's inode table."""
        size = _u16(self.raw, 0x58) if self.superblock.revision else 128
        return -(-self.superblock.inodes_per_group * size // self.superblock.block_size)

    @property
    def _has_checksums(self) -> bool:
        kinds = ReadOnlyCompatible.METADATA_CHECKSUM | ReadOnlyCompatible.GDT_CHECKSUM
        return bool(self.superblock.read_only_compatible & kinds)

    @cached_property
    def _seed(self) -> int:
        if self.superblock.incompatible & _CHECKSUM_SEED:
            return _u32(self.raw, 0x270)
        return crc32c(self.superblock.uuid)

    def _is_descriptor_valid(self, number: int, raw: bytes, checksum: int) -> bool:
        features = self.superblock.read_only_compatible
        counted = struct.pack("<I", number)
        if features & ReadOnlyCompatible.METADATA_CHECKSUM:
            blanked = raw[:0x1E] + bytes(2) + raw[0x20:]
            return crc32c(counted + blanked, self._seed) & 0xFFFF == checksum
        if features & ReadOnlyCompatible.GDT_CHECKSUM:
            return crc16(self.superblock.uuid + counted + raw[:0x1E] + raw[0x20:]) == checksum
        return True

    def _is_bitmap_valid(self, group: Group, bitmap: bytes) -> bool:
        if not self.superblock.read_only_compatible & ReadOnlyCompatible.METADATA_CHECKSUM:
            return True
        mask = 0xFFFFFFFF if self.superblock.descriptor_size >= 64 else 0xFFFF
        return crc32c(bitmap[: self.bitmap_bytes], self._seed) & mask == group.bitmap_checksum & mask

    def _clusters(self, number: int) -> tuple[int, int]:
        """The first cluster of a group, counted from the first data block, and how many it has."""
        superblock = self.superblock
        ratio = superblock.cluster_size // superblock.block_size
        total = -(-(superblock.block_count - superblock.first_data_block) // ratio)
        first = number * superblock.clusters_per_group
        return first, min(superblock.clusters_per_group, total - first)

    def _mask(self, number: int, start: int, end: int) -> int:
        """The bits of a group's bitmap for the blocks from `start` up to `end`."""
        superblock = self.superblock
        ratio = superblock.cluster_size // superblock.block_size
        first, count = self._clusters(number)
        low = max((start - superblock.first_data_block) // ratio - first, 0)
        high = min(-(-(end - superblock.first_data_block) // ratio) - first, count)
        return ((1 << (high - low)) - 1) << low if low < high else 0

    def _implicit_metadata(self, group: Group) -> int:
        """The used blocks of a group without a bitmap: the backups of the superblock and the descriptors."""
        if not self._has_backup(group.number):
            return 0
        superblock = self.superblock
        blocks = -(-superblock.group_count * superblock.descriptor_size // superblock.block_size)
        start = superblock.first_data_block + group.number * superblock.blocks_per_group
        return self._mask(group.number, start, start + 1 + blocks + _u16(self.raw, 0xCE))

    def _has_backup(self, number: int) -> bool:
        if number == 0:
            return True
        if self.superblock.compatible & _SPARSE_SUPER_2:
            return number in (_u32(self.raw, 0x24C), _u32(self.raw, 0x250))
        if not self.superblock.read_only_compatible & ReadOnlyCompatible.SPARSE_SUPER:
            return True
        return number == 1 or any(_is_power(number, base) for base in (3, 5, 7))


def _runs_of_zeros(bits: str, least: int) -> Iterator[tuple[int, int]]:
    """The runs of at least `least` zeros, and those at either end, which may continue in the next group."""
    for match in re.finditer(f"^0+|0{{{least},}}|0+$", bits):
        yield match.span()


def _is_power(number: int, base: int) -> bool:
    while number % base == 0:
        number //= base
    return number == 1


def _u16(raw: bytes, position: int) -> int:
    return int.from_bytes(raw[position : position + 2], "little")


def _u32(raw: bytes, position: int) -> int:
    return int.from_bytes(raw[position : position + 4], "little")

"""The layout of a FAT volume, from its boot sector.

Source: Microsoft, "FAT: General Overview of On-Disk Format" (FAT32 File System Specification), version 1.03,
"Boot Sector and BPB" and "FAT Type Determination"; the state byte is that of Linux' <linux/msdos_fs.h>.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

from resin_toolkit.errors import FileSystemDamaged, NotAnImage

BOOT_SECTOR = 512
SECTOR_SIZES = (512, 1024, 2048, 4096)
FIRST_CLUSTER = 2
SLOT = 32


class FatType(Enum):
    """The width of a FAT entry, which follows from the number of clusters."""

    FAT12 = "FAT12"
    FAT16 = "FAT16"
    FAT32 = "FAT32"

    @property
    def bits(self) -> int:
        return int(self.value[3:])

    @property
    def mask(self) -> int:
        """The bits of an entry that are used; the upper four of FAT32 are reserved and preserved."""
        return 0x0FFFFFFF if self is FatType.FAT32 else (1 << self.bits) - 1

    @property
    def bad(self) -> int:
        """The entry of a bad cluster; higher values end a chain."""
        return self.mask - 8

    @property
    def end(self) -> int:
        """The end-of-chain entry that is written."""
        return self.mask


@dataclass(frozen=True)
class Geometry:
    """The layout of a volume. Positions and sizes are in bytes from its start, except counts."""

    fat_type: FatType
    sector_size: int
    cluster_size: int
    cluster_count: int
    fat_starts: tuple[int, ...]
    """The positions of the FATs that mirror each other; the first one is read."""
    fat_size: int
    fixed_root_start: int
    fixed_root_size: int
    """0 on FAT32, whose root directory is a chain from `root_cluster`."""
    root_cluster: int
    data_start: int
    fsinfo_start: int | None
    state: int
    """The state byte of the boot sector; bit 0: the volume was not unmounted cleanly."""
    label: str
    media: int

    @property
    def last_cluster(self) -> int:
        return self.cluster_count + FIRST_CLUSTER - 1

    def cluster_start(self, cluster: int) -> int:
        """The position of a data cluster."""
        return self.data_start + (cluster - FIRST_CLUSTER) * self.cluster_size


def read_geometry(boot: bytes, available: int) -> Geometry:
    """Parse the first 512 bytes of a boot sector.

    `available` is the size of the partition in bytes. Raises NotAnImage if it is not a FAT boot sector,
    FileSystemDamaged if it is inconsistent or does not fit the partition.
    """
    sector_size, per_cluster, reserved, fats, root_entries, total16, media, fat_size16 = struct.unpack_from(
        "<HBHBHHBH", boot, 11
    )
    _require_fat(boot, sector_size, per_cluster, reserved, fats, media)
    total = total16 or struct.unpack_from("<I", boot, 32)[0]
    fat_sectors = fat_size16 or struct.unpack_from("<I", boot, 36)[0]
    root_sectors = -(-root_entries * SLOT // sector_size)
    data_sector = reserved + fats * fat_sectors + root_sectors
    if not fat_sectors or not total or data_sector >= total:
        raise _damaged("its boot sector leaves no room for data")
    if total * sector_size > available:
        raise _damaged(f"it is {total * sector_size} bytes long, in a partition of {available}")
    clusters = (total - data_sector) // per_cluster
    fat_type = _fat_type(clusters, wide=fat_size16 == 0)
    if (clusters + FIRST_CLUSTER) * fat_type.bits > fat_sectors * sector_size * 8:
        raise _damaged("its allocation table is too small for its clusters")
    wide = fat_type is FatType.FAT32
    if not wide and not root_entries:
        raise _damaged("it has no root directory")
    root_cluster = struct.unpack_from("<I", boot, 44)[0] if wide else 0
    if wide and not FIRST_CLUSTER <= root_cluster < clusters + FIRST_CLUSTER:
        raise _damaged(f"its root directory would begin at cluster {root_cluster}")
    return Geometry(
        fat_type=fat_type,
        sector_size=sector_size,
        cluster_size=per_cluster * sector_size,
        cluster_count=clusters,
        fat_starts=_fat_starts(boot, wide, reserved, fats, fat_sectors, sector_size),
        fat_size=fat_sectors * sector_size,
        fixed_root_start=(reserved + fats * fat_sectors) * sector_size,
        fixed_root_size=0 if wide else root_entries * SLOT,
        root_cluster=root_cluster,
        data_start=data_sector * sector_size,
        fsinfo_start=_fsinfo_start(boot, reserved, sector_size) if wide else None,
        state=boot[65 if wide else 37],
        label=_label(boot[71:82] if wide else boot[43:54], boot[66 if wide else 38]),
        media=media,
    )


def _require_fat(
    boot: bytes, sector_size: int, per_cluster: int, reserved: int, fats: int, media: int
) -> None:
    plausible = (
        sector_size in SECTOR_SIZES
        and per_cluster
        and not per_cluster & (per_cluster - 1)
        and reserved
        and fats
        and (media == 0xF0 or media >= 0xF8)
        and boot[0] in (0xEB, 0xE9)
    )
    if not plausible:
        raise NotAnImage("No FAT file system was found.", hint="Name the partition that holds one.")


def _fat_type(clusters: int, *, wide: bool) -> FatType:
    """By the number of clusters; a volume whose 16-bit FAT size is 0 has the FAT32 layout at any size."""
    if wide:
        return FatType.FAT32
    if clusters < 4085:
        return FatType.FAT12
    if clusters < 65525:
        return FatType.FAT16
    raise _damaged(f"it has {clusters} clusters in a layout for at most 65524")


def _fat_starts(
    boot: bytes, wide: bool, reserved: int, fats: int, fat_sectors: int, sector_size: int
) -> tuple[int, ...]:
    starts = tuple((reserved + number * fat_sectors) * sector_size for number in range(fats))
    flags = struct.unpack_from("<H", boot, 40)[0] if wide else 0
    if not flags & 0x80:
        return starts
    active = flags & 0x0F
    if active >= fats:
        raise _damaged(f"it names FAT {active + 1} of {fats} as the active one")
    return (starts[active],)


def _fsinfo_start(boot: bytes, reserved: int, sector_size: int) -> int | None:
    sector = int(struct.unpack_from("<H", boot, 48)[0])
    return sector * sector_size if 0 < sector < reserved else None


def _label(field: bytes, signature: int) -> str:
    if signature != 0x29:
        return ""
    label = field.rstrip(b"\0 ").decode("cp437")
    return "" if label == "NO NAME" else label


def _damaged(reason: str) -> FileSystemDamaged:
    return FileSystemDamaged(
        f"The FAT file system is damaged: {reason}.",
        hint="The image is damaged or truncated: download it again.",
    )

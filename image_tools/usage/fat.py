"""What a FAT file system uses, by its first FAT.

Source: Microsoft FAT specification 1.03, "FAT Data Structure"; the state bits of entry 1 likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from image_tools.byte_ranges import Range
from image_tools.fat.geometry import FIRST_CLUSTER, FatType, Geometry
from image_tools.usage.ext import NotUnderstood
from image_tools.usage.model import GRAIN

LARGEST = 32 * 1024 * 1024
_DIRTY = 0x01


def check_size(geometry: Geometry) -> None:
    """Raise NotUnderstood where the FATs are too large to be looked at, or the volume was not unmounted."""
    if geometry.state & _DIRTY:
        raise NotUnderstood("it was not unmounted cleanly")
    if geometry.fat_size * len(geometry.fat_starts) > LARGEST:
        raise NotUnderstood("its allocation tables are too large")


def check_tables(geometry: Geometry, tables: Sequence[bytes]) -> None:
    """Raise NotUnderstood where the FATs do not agree, or say that the volume needs a check."""
    first = tables[0]
    if any(table != first for table in tables[1:]):
        raise NotUnderstood("its allocation tables differ")
    if first[0] != geometry.media:
        raise NotUnderstood("its allocation table does not begin as its boot sector says")
    root = geometry.root_cluster * 4
    if geometry.root_cluster and not any(first[root : root + 4]):
        raise NotUnderstood("its root directory would be free")
    if geometry.fat_type is FatType.FAT16 and first[3] & 0xC0 != 0xC0:
        raise NotUnderstood("it was not unmounted cleanly")
    if geometry.fat_type is FatType.FAT32 and first[7] & 0x0C != 0x0C:
        raise NotUnderstood("it was not unmounted cleanly")


def free_ranges(geometry: Geometry, table: bytes) -> Iterator[Range]:
    """The bytes of free clusters from the volume's start, as far as they can fill a grain."""
    if geometry.fat_type is FatType.FAT12:
        table = _widened(table, geometry.last_cluster)
    width = 4 if geometry.fat_type is FatType.FAT32 else 2
    # So many clusters are looked at together: what is not wholly free cannot fill a grain twice as long.
    step = max(1, GRAIN // geometry.cluster_size // 2)
    zeros = bytes(step * width)
    start: int | None = None
    end = geometry.last_cluster + 1
    for cluster in range(FIRST_CLUSTER, end, step):
        count = min(step, end - cluster)
        is_free = table[cluster * width : (cluster + count) * width] == zeros[: count * width]
        if is_free and start is None:
            start = _extended_back(table, width, cluster)
        elif not is_free and start is not None:
            stop = _extended(table, width, cluster, end)
            yield geometry.cluster_start(start), geometry.cluster_start(stop)
            start = None
    if start is not None:
        yield geometry.cluster_start(start), geometry.cluster_start(end)


def _extended_back(table: bytes, width: int, cluster: int) -> int:
    """The first cluster of the free run that holds `cluster`."""
    while cluster > FIRST_CLUSTER and not any(table[(cluster - 1) * width : cluster * width]):
        cluster -= 1
    return cluster


def _extended(table: bytes, width: int, cluster: int, end: int) -> int:
    """The first cluster from `cluster` on that is not free."""
    while cluster < end and not any(table[cluster * width : (cluster + 1) * width]):
        cluster += 1
    return cluster


def _widened(table: bytes, last: int) -> bytes:
    """The entries of a FAT12 with two bytes each."""
    wide = bytearray()
    for cluster in range(last + 1):
        both = int.from_bytes(table[cluster * 3 // 2 : cluster * 3 // 2 + 2], "little")
        wide += (both >> 4 if cluster & 1 else both & 0xFFF).to_bytes(2, "little")
    return bytes(wide)

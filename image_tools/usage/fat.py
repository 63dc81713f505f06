"""The used clusters of a FAT file system, from its first FAT.

Source: Microsoft FAT specification 1.03, "FAT Data Structure"; the state bits of entry 1 likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from image_tools.byte_ranges import Range
from image_tools.fat.geometry import FIRST_CLUSTER, FatType, Geometry
from image_tools.usage.ext import NotTrimmable
from image_tools.usage.model import GRAIN

MAX_FATS_SIZE = 32 * 1024 * 1024
_DIRTY = 0x01


def check_size(geometry: Geometry) -> None:
    """Raise NotTrimmable if the FATs are too large to be read, or the volume was not unmounted cleanly."""
    if geometry.state & _DIRTY:
        raise NotTrimmable("it was not unmounted cleanly")
    if geometry.fat_size * len(geometry.fat_starts) > MAX_FATS_SIZE:
        raise NotTrimmable("its allocation tables are too large")


def check_tables(geometry: Geometry, tables: Sequence[bytes]) -> None:
    """Raise NotTrimmable if the FATs differ, or mark the volume as not unmounted cleanly."""
    first = tables[0]
    if any(table != first for table in tables[1:]):
        raise NotTrimmable("its allocation tables differ")
    if first[0] != geometry.media:
        raise NotTrimmable("its allocation table does not start with the media byte of its boot sector")
    root = geometry.root_cluster * 4
    if geometry.root_cluster and not any(first[root : root + 4]):
        raise NotTrimmable("its root directory is marked as free")
    if geometry.fat_type is FatType.FAT16 and first[3] & 0xC0 != 0xC0:
        raise NotTrimmable("it was not unmounted cleanly")
    if geometry.fat_type is FatType.FAT32 and first[7] & 0x0C != 0x0C:
        raise NotTrimmable("it was not unmounted cleanly")


def free_ranges(geometry: Geometry, table: bytes) -> Iterator[Range]:
    """The free byte ranges, from the start of the volume, that can fill a grain."""
    if geometry.fat_type is FatType.FAT12:
        table = _unpack_fat12(table, geometry.last_cluster)
    width = 4 if geometry.fat_type is FatType.FAT32 else 2
    # Clusters are scanned in steps of half a grain: a partly used step cannot lie inside a free grain.
    step = max(1, GRAIN // geometry.cluster_size // 2)
    zeros = bytes(step * width)
    start: int | None = None
    end = geometry.last_cluster + 1
    for cluster in range(FIRST_CLUSTER, end, step):
        count = min(step, end - cluster)
        is_free = table[cluster * width : (cluster + count) * width] == zeros[: count * width]
        if is_free and start is None:
            start = _first_free(table, width, cluster)
        elif not is_free and start is not None:
            stop = _end_of_free(table, width, cluster, end)
            yield geometry.cluster_start(start), geometry.cluster_start(stop)
            start = None
    if start is not None:
        yield geometry.cluster_start(start), geometry.cluster_start(end)


def _first_free(table: bytes, width: int, cluster: int) -> int:
    """The first cluster of the free run that holds `cluster`."""
    while cluster > FIRST_CLUSTER and not any(table[(cluster - 1) * width : cluster * width]):
        cluster -= 1
    return cluster


def _end_of_free(table: bytes, width: int, cluster: int, end: int) -> int:
    """The first cluster from `cluster` on that is not free."""
    while cluster < end and not any(table[cluster * width : (cluster + 1) * width]):
        cluster += 1
    return cluster


def _unpack_fat12(table: bytes, last: int) -> bytes:
    """The entries of a FAT12, expanded to two bytes each."""
    wide = bytearray()
    for cluster in range(last + 1):
        both = int.from_bytes(table[cluster * 3 // 2 : cluster * 3 // 2 + 2], "little")
        wide += (both >> 4 if cluster & 1 else both & 0xFFF).to_bytes(2, "little")
    return bytes(wide)

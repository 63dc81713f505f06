"""The file allocation table: read in pages on demand, written to the first FAT and then to its mirrors.

Source: Microsoft FAT specification 1.03, "FAT Data Structure".
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

from image_tools.fat.geometry import FIRST_CLUSTER, FatType, Geometry
from image_tools.fat.volume import Volume
from resin_toolkit.errors import FileSystemDamaged, NoSpace

# A multiple of every sector size, and larger than any FAT12, whose 1.5-byte entries would straddle pages.
PAGE = 16384
# The read size when a whole FAT is scanned.
CHUNK = 16 * PAGE
# Unpacked pages take ten times their size in memory.
MAX_UNPACKED_PAGES = 16
FREE = 0
_ALL_FREE = bytes(CHUNK)
_NO_RESERVED_BITS = bytes(range(16))


class FatTable:
    """The file allocation table: maps a cluster to its entry."""

    def __init__(self, volume: Volume, geometry: Geometry) -> None:
        self._volume = volume
        self._geometry = geometry
        self._bits = geometry.fat_type.bits
        self._pages: dict[int, bytearray] = {}
        self._unpacked: dict[int, tuple[int, ...] | list[int]] = {}
        self._per_page = PAGE * 8 // geometry.fat_type.bits
        self._bytes_used = -(-(geometry.last_cluster + 1) * geometry.fat_type.bits // 8)

    def __getitem__(self, cluster: int) -> int:
        """The entry of a cluster, without the reserved bits."""
        fat_type = self._geometry.fat_type
        if fat_type is FatType.FAT32:
            page, within = divmod(cluster * 4, PAGE)
            return int(struct.unpack_from("<I", self._page(page), within)[0]) & fat_type.mask
        if fat_type is FatType.FAT16:
            page, within = divmod(cluster * 2, PAGE)
            return int(struct.unpack_from("<H", self._page(page), within)[0])
        both = int(struct.unpack_from("<H", self._page(0), cluster * 3 // 2)[0])
        return both >> 4 if cluster & 1 else both & fat_type.mask

    def chain(self, first: int, what: str, most: int) -> array[int]:
        """The clusters of the chain that starts at `first`; `what` names its owner in errors.

        Raises FileSystemDamaged if the chain loops, has more than `most` clusters, leaves the volume, or runs
        into a free or bad cluster.
        """
        fat_type, last = self._geometry.fat_type, self._geometry.last_cluster
        clusters = array("I")
        cluster = first
        while FIRST_CLUSTER <= cluster <= last:
            page = cluster // self._per_page
            base, values = page * self._per_page, self._page_entries(page)
            low, high = max(base, FIRST_CLUSTER), min(base + len(values), last + 1)
            if values[high - 1 - base] == high and _is_consecutive(values[cluster - base : high - base]):
                clusters.extend(range(cluster, high))
                cluster = high
            else:
                for _ in values:  # at most one step per entry: the chain may loop within the page
                    clusters.append(cluster)
                    cluster = values[cluster - base]
                    if not low <= cluster < high:
                        break
            if len(clusters) > self._geometry.cluster_count:
                raise damaged(f"the chain of {what} is a loop")
            if len(clusters) > most:
                raise damaged(f"the chain of {what} is longer than it can be")
        if cluster < fat_type.bad:
            problem = "a free cluster" if cluster == FREE and clusters else f"cluster {cluster}"
            raise damaged(f"the chain of {what} runs into {problem}, which it cannot own")
        if cluster == fat_type.bad:
            raise damaged(f"the chain of {what} runs into a cluster that is marked bad")
        if not clusters:
            raise damaged(f"the chain of {what} begins at cluster {first:#x}, which does not exist")
        return clusters

    def iter_free(self, start: int) -> Iterator[int]:
        """Every free cluster, ascending from `start`, then from the beginning."""
        if not FIRST_CLUSTER <= start <= self._geometry.last_cluster:
            start = FIRST_CLUSTER
        yield from self._free_between(start, self._geometry.last_cluster + 1)
        yield from self._free_between(FIRST_CLUSTER, start)

    def allocate(self, count: int, start: int, *, after: int | None = None) -> list[int]:
        """`count` free clusters, in the order of `iter_free`; raises NoSpace if there are fewer.

        The first one will be linked to the chain that ends in `after`. If the entry of `after` crosses a
        sector boundary, a cluster is preferred with which it still ends the chain when half-written.
        """
        found: list[int] = []
        if not count:
            return found
        for cluster in self.iter_free(start):
            found.append(cluster)
            if len(found) == count:
                return self._safe_link_first(found, start, after)
        size = self._geometry.cluster_size
        raise NoSpace(
            f"The partition is full: {count * size} bytes are needed, {len(found) * size} are free.",
            hint="Remove files from the partition first (`resin image rm`).",
            needed=count * size,
            free=len(found) * size,
        )

    def _safe_link_first(self, found: list[int], start: int, after: int | None) -> list[int]:
        if after is None or not self._is_split(after):
            return found
        low = _low_bits(after)
        ends = (
            cluster
            for cluster in self.iter_free(start)
            if self._harm(self[after] & ~low | cluster & low) == 0
        )
        safe = next(ends, found[0])
        return [safe, *(cluster for cluster in found if cluster != safe)][: len(found)]

    def count_free(self) -> int:
        """The number of free clusters, counted in the table itself."""
        free = 0
        for first, raw in self._chunks(self._geometry.fat_starts[0]):
            if raw == _ALL_FREE:
                free += CHUNK * 8 // self._bits
                continue
            values = self._unpack(raw)
            free += values.count(0) - (0 if first else values[:FIRST_CLUSTER].count(0))
        return free

    def update(self, entries: Mapping[int, int]) -> None:
        """Set `entries` in the first FAT, flush, then in its mirrors, and flush.

        A FAT12 entry may cross a sector boundary, and a power cut may leave only one of the sectors written.
        Such entries are first set to the less harmful of the two half-written values.
        """
        for step in (self._halfway(entries), entries):
            self._write_entries(step)

    def _halfway(self, entries: Mapping[int, int]) -> dict[int, int]:
        """The less harmful half-written value of each entry that crosses a sector boundary."""
        fat_type = self._geometry.fat_type
        halfway = {}
        for cluster, new in entries.items():
            if not self._is_split(cluster):
                continue
            old, low = self[cluster], _low_bits(cluster)
            first, second = old & ~low | new & low, old & low | new & ~low & fat_type.mask
            if not {first, second} & {old, new}:
                halfway[cluster] = min(first, second, key=self._harm)
        return halfway

    def _harm(self, entry: int) -> int:
        """How harmful an entry is in a chain, from 0 for the end of a chain to 3 for an invalid entry."""
        if entry > self._geometry.fat_type.bad:
            return 0
        if entry == FREE:
            return 1
        return 2 if FIRST_CLUSTER <= entry <= self._geometry.last_cluster else 3

    def _is_split(self, cluster: int) -> bool:
        return self._geometry.fat_type is FatType.FAT12 and len(self._sectors_of(cluster)) > 1

    def _write_entries(self, entries: Mapping[int, int]) -> None:
        if not entries:
            return
        sectors = sorted({sector for cluster in entries for sector in self._set(cluster, entries[cluster])})
        extents = list(runs(sectors))
        for start in self._geometry.fat_starts:
            for first, count in extents:
                self._write_sectors(start, first, count)
            self._volume.flush()

    def differences(self) -> Iterator[tuple[int, int, int]]:
        """Each cluster whose entry differs between the first FAT and a mirror, with the two entries.

        Includes entries 0 and 1, which belong to no cluster, and differences in reserved bits.
        """
        for start in self._geometry.fat_starts[1:]:
            chunks = zip(self._chunks(self._geometry.fat_starts[0]), self._chunks(start), strict=True)
            for (first, ours), (_, theirs) in chunks:
                if ours == theirs:
                    continue
                pairs = zip(self._unpack(ours, masked=False), self._unpack(theirs, masked=False), strict=True)
                for index, (mine, other) in enumerate(pairs):
                    if mine != other:
                        yield (
                            first + index,
                            mine & self._geometry.fat_type.mask,
                            other & self._geometry.fat_type.mask,
                        )

    def repair_mirrors(self, clusters: Iterable[int]) -> None:
        """Copy the sectors that hold the entries of `clusters` from the first FAT to its mirrors."""
        sectors = sorted({sector for cluster in clusters for sector in self._sectors_of(cluster)})
        for start in self._geometry.fat_starts[1:]:
            for first, count in runs(sectors):
                self._write_sectors(start, first, count)
        self._volume.flush()

    def _free_between(self, start: int, end: int) -> Iterator[int]:
        for number in range(start // self._per_page, -(-end // self._per_page)):
            base = number * self._per_page
            for index, value in enumerate(self._page_entries(number)):
                if not value and start <= base + index < end:
                    yield base + index

    def _chunks(self, fat_start: int) -> Iterator[tuple[int, bytes]]:
        """The bytes of a FAT up to the last cluster, in chunks, each with the number of its first cluster."""
        for start in range(0, self._bytes_used, CHUNK):
            length = min(CHUNK, self._bytes_used - start)
            yield start * 8 // self._bits, self._volume.read(fat_start + start, length)

    def _page(self, number: int) -> bytearray:
        page = self._pages.get(number)
        if page is None:
            page = self._pages[number] = bytearray(self._read_page(number))
        return page

    def _read_page(self, number: int) -> bytes:
        start = number * PAGE
        length = min(PAGE, self._geometry.fat_size - start)
        return self._volume.read(self._geometry.fat_starts[0] + start, length)

    def _unpack(self, raw: bytes, *, masked: bool = True) -> tuple[int, ...] | list[int]:
        """The entries in the bytes of a page, up to the last cluster."""
        fat_type = self._geometry.fat_type
        if fat_type is FatType.FAT16:
            return struct.unpack(f"<{len(raw) // 2}H", raw)
        if fat_type is FatType.FAT32:
            values = struct.unpack(f"<{len(raw) // 4}I", raw)
            # The reserved bits are the upper half of every fourth byte.
            plain = not masked or not raw[3::4].translate(None, _NO_RESERVED_BITS)
            return values if plain else [value & fat_type.mask for value in values]
        count = self._geometry.last_cluster + 1
        entries: list[int] = []
        for first, middle, last in zip(raw[::3], raw[1::3], raw[2::3] + b"\0", strict=False):
            entries += (first | middle << 8 & 0xF00, middle >> 4 | last << 4)
        return entries[:count]

    def _page_entries(self, page: int) -> tuple[int, ...] | list[int]:
        """The entries of a page, cached until one of them changes."""
        values = self._unpacked.get(page)
        if values is None:
            if len(self._unpacked) == MAX_UNPACKED_PAGES:
                self._unpacked.clear()
            # Long chains touch every page of a large FAT: only the unpacked ones are kept.
            raw = self._pages.get(page)
            values = self._unpacked[page] = self._unpack(self._read_page(page) if raw is None else bytes(raw))
        return values

    def _set(self, cluster: int, value: int) -> list[int]:
        """Set an entry in its page; returns the sectors of the FAT that hold it."""
        fat_type = self._geometry.fat_type
        self._unpacked.pop(cluster // self._per_page, None)
        if fat_type is FatType.FAT32:
            page, within = divmod(cluster * 4, PAGE)
            raw = self._page(page)
            reserved = struct.unpack_from("<I", raw, within)[0] & ~fat_type.mask
            struct.pack_into("<I", raw, within, reserved | value)
        elif fat_type is FatType.FAT16:
            page, within = divmod(cluster * 2, PAGE)
            struct.pack_into("<H", self._page(page), within, value)
        else:
            raw, within = self._page(0), cluster * 3 // 2
            both = struct.unpack_from("<H", raw, within)[0]
            both = both & 0x000F | value << 4 if cluster & 1 else both & 0xF000 | value
            struct.pack_into("<H", raw, within, both)
        return self._sectors_of(cluster)

    def _sectors_of(self, cluster: int) -> list[int]:
        first = cluster * self._bits // 8
        last = (cluster + 1) * self._bits - 1
        size = self._geometry.sector_size
        return sorted({first // size, last // 8 // size})

    def _write_sectors(self, fat_start: int, first: int, count: int) -> None:
        size = self._geometry.sector_size
        start, end = first * size, (first + count) * size
        while start < end:
            number, within = divmod(start, PAGE)
            part = self._page(number)[within : within + end - start]
            self._volume.write(fat_start + start, part)
            start += len(part)


def _is_consecutive(values: Sequence[int]) -> bool:
    """Whether the numbers are consecutive."""
    return tuple(values) == tuple(range(values[0], values[0] + len(values)))


def _low_bits(cluster: int) -> int:
    """The bits of a FAT12 entry in its first byte."""
    return 0x00F if cluster & 1 else 0x0FF


def damaged(reason: str) -> FileSystemDamaged:
    """The error for a file system that must not be written to."""
    return FileSystemDamaged(
        f"The FAT file system is damaged: {reason}. Nothing was written.",
        hint="Repair it with `fsck.fat`, or start from a fresh image.",
    )


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The runs of consecutive numbers in ascending `numbers`, as (first, count)."""
    first = count = 0
    for number in numbers:
        if count and number == first + count:
            count += 1
            continue
        if count:
            yield first, count
        first, count = number, 1
    if count:
        yield first, count

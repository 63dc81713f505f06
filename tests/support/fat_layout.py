"""A second, plain reading of the FAT on-disk format for tests: where things lie, and FAT entries by hand.

Written against Microsoft's "FAT32 File System Specification" 1.03, sections 3 and 4, and kept apart from the
editor under test on purpose: tests shape and damage images with it.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

END_OF_CHAIN = {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFFFFFF}
BAD = {12: 0xFF7, 16: 0xFFF7, 32: 0x0FFFFFF7}
MASK = {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFFFFFF}


@dataclass(frozen=True)
class Layout:
    """Offsets in bytes from the start of the image file; clusters are numbered from 2."""

    path: Path
    bits: int
    start: int
    sector: int
    cluster: int
    clusters: int
    fats: int
    fat_at: int
    fat_size: int
    root_at: int
    root_size: int
    root_cluster: int
    data_at: int
    info_at: int

    @staticmethod
    def read(path: Path, start: int = 0) -> Layout:
        with path.open("rb") as file:
            file.seek(start)
            boot = file.read(512)
        sector, per_cluster, reserved, fats, root_entries, small_total = struct.unpack_from(
            "<HBHBHH", boot, 11
        )
        small_fat, large_total, large_fat = (
            struct.unpack_from("<H", boot, 22)[0],
            struct.unpack_from("<I", boot, 32)[0],
            struct.unpack_from("<I", boot, 36)[0],
        )
        fat_size = (small_fat or large_fat) * sector
        fat_at = start + reserved * sector
        root_at = fat_at + fats * fat_size
        root_size = (root_entries * 32 + sector - 1) // sector * sector
        data_at = root_at + root_size
        cluster = per_cluster * sector
        clusters = ((small_total or large_total) * sector - (data_at - start)) // cluster
        bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
        is_32 = bits == 32
        root_cluster = struct.unpack_from("<I", boot, 44)[0] if is_32 else 0
        info_at = start + struct.unpack_from("<H", boot, 48)[0] * sector if is_32 else 0
        return Layout(
            path, bits, start, sector, cluster, clusters, fats, fat_at, fat_size,
            root_at, root_size, root_cluster, data_at, info_at,
        )  # fmt: skip

    def cluster_at(self, number: int) -> int:
        return self.data_at + (number - 2) * self.cluster

    def read_bytes(self, at: int, count: int) -> bytes:
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), count, at)

    def write_bytes(self, at: int, data: bytes) -> None:
        with self.path.open("r+b") as file:
            os.pwrite(file.fileno(), data, at)

    def fat(self, number: int = 0) -> bytes:
        return self.read_bytes(self.fat_at + number * self.fat_size, self.fat_size)

    def entry(self, cluster: int, fat: int = 0) -> int:
        return fat_entry(self.fat(fat), self.bits, cluster)

    def set_entries(self, values: dict[int, int], fats: tuple[int, ...] | None = None) -> None:
        """Set FAT entries, in every FAT or in `fats` (0 is the first)."""
        for number in range(self.fats) if fats is None else fats:
            table = bytearray(self.fat(number))
            for cluster, value in values.items():
                set_fat_entry(table, self.bits, cluster, value)
            self.write_bytes(self.fat_at + number * self.fat_size, bytes(table))

    def chain(self, first: int) -> list[int]:
        table = self.fat()
        found = []
        while 2 <= first < self.clusters + 2:
            assert first not in found, "the chain loops"
            found.append(first)
            first = fat_entry(table, self.bits, first)
        return found

    def free(self) -> list[int]:
        table = self.fat()
        if self.bits == 12:
            return [number for number in range(2, self.clusters + 2) if not fat_entry(table, 12, number)]
        values = struct.unpack_from(f"<{self.clusters + 2}{'H' if self.bits == 16 else 'I'}", table)
        mask = MASK[self.bits]
        return [number for number, value in enumerate(values) if number >= 2 and not value & mask]

    def leave_free(self, keep: set[int]) -> None:
        """Mark every free cluster that is not in `keep` as bad, so that new data can only go into `keep`."""
        self.set_entries({number: BAD[self.bits] for number in self.free() if number not in keep})
        if self.bits == 32:
            self.set_free_count(len(self.free()))

    def info(self) -> tuple[int, int]:
        """FSInfo's count of free clusters, and its hint where to look for one."""
        free, following = struct.unpack("<II", self.read_bytes(self.info_at + 488, 8))
        return free, following

    def set_free_count(self, count: int) -> None:
        self.write_bytes(self.info_at + 488, struct.pack("<I", count))

    def root_spans(self) -> list[tuple[int, int]]:
        """Offset and length of each stretch of the root directory."""
        if self.bits != 32:
            return [(self.root_at, self.root_size)]
        return [(self.cluster_at(number), self.cluster) for number in self.chain(self.root_cluster)]

    def slots(self, spans: list[tuple[int, int]] | None = None) -> list[tuple[int, bytes]]:
        """Every directory slot of the root (or of `spans`) with its offset, the free ones too."""
        return [
            (at + offset, self.read_bytes(at + offset, 32))
            for at, length in (self.root_spans() if spans is None else spans)
            for offset in range(0, length, 32)
        ]

    def short_slot(self, name: bytes) -> int:
        """The offset of the root's 8.3 slot with these eleven bytes."""
        for at, slot in self.slots():
            if slot[:11] == name and slot[11] & 0x3F != 0x0F:
                return at
        raise AssertionError(f"{name!r} is not in the root directory")

    def first_cluster(self, name: bytes) -> int:
        slot = self.read_bytes(self.short_slot(name), 32)
        low, high = struct.unpack_from("<H", slot, 26)[0], struct.unpack_from("<H", slot, 20)[0]
        return low | (high << 16 if self.bits == 32 else 0)


def fat_entry(table: bytes | bytearray, bits: int, cluster: int) -> int:
    if bits == 12:
        pair = struct.unpack_from("<H", table, cluster * 3 // 2)[0]
        return pair >> 4 if cluster & 1 else pair & 0xFFF
    if bits == 16:
        return int(struct.unpack_from("<H", table, cluster * 2)[0])
    return int(struct.unpack_from("<I", table, cluster * 4)[0]) & MASK[32]


def set_fat_entry(table: bytearray, bits: int, cluster: int, value: int) -> None:
    if bits == 12:
        at = cluster * 3 // 2
        pair = struct.unpack_from("<H", table, at)[0]
        pair = (pair & 0x000F) | (value << 4) if cluster & 1 else (pair & 0xF000) | value
        struct.pack_into("<H", table, at, pair)
    elif bits == 16:
        struct.pack_into("<H", table, cluster * 2, value)
    else:
        top = struct.unpack_from("<I", table, cluster * 4)[0] & ~MASK[32]
        struct.pack_into("<I", table, cluster * 4, top | value)

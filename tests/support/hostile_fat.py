"""Sparse disk images whose FAT file system was made to cost much memory or time; mkfs.fat makes the rest."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from support import fat_images
from support.disk_images import MIB

START = MIB
_END = 0x0FFFFFFF


@dataclass(frozen=True)
class HostileFat:
    """The FAT32 partition of an image; sizes in bytes."""

    path: Path
    fat_starts: tuple[int, ...]
    data_start: int
    cluster: int

    @classmethod
    def make(cls, path: Path, size: int, sectors_per_cluster: int) -> HostileFat:
        """A disk of `size` bytes with one empty boot partition."""
        with path.open("wb") as file:
            file.truncate(size)
        fat_images.run(
            *("mkfs.fat", "-F", "32", "-s", str(sectors_per_cluster), "-n", "RESIN-BOOT"),
            *("--offset", str(START // 512), str(path), str((size - START) // 1024)),
        )
        entry = struct.pack("<B3sB3sII", 0x80, bytes(3), 0xC, bytes(3), START // 512, (size - START) // 512)
        with path.open("r+b") as file:
            file.seek(446)
            file.write(entry.ljust(64, b"\0") + b"\x55\xaa")
            file.seek(START)
            boot = file.read(512)
        reserved, fats = struct.unpack_from("<HB", boot, 14)
        fat_size = struct.unpack_from("<I", boot, 36)[0] * 512
        first = START + reserved * 512
        starts = tuple(first + number * fat_size for number in range(fats))
        return cls(path, starts, first + fats * fat_size, boot[13] * 512)

    def chain(self, *clusters: int, then: int = _END) -> None:
        """Link clusters, each with the next, and the last with `then`."""
        with self.path.open("r+b") as file:
            for start in self.fat_starts:
                for cluster, following in zip(clusters, (*clusters[1:], then), strict=True):
                    file.seek(start + cluster * 4)
                    file.write(struct.pack("<I", following))

    def chain_in_a_row(self, first: int, count: int) -> None:
        """Link `count` clusters from `first` on."""
        entries = struct.pack(f"<{count}I", *range(first + 1, first + count), _END)
        with self.path.open("r+b") as file:
            for start in self.fat_starts:
                file.seek(start + first * 4)
                file.write(entries)

    def write(self, cluster: int, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(self.data_start + (cluster - 2) * self.cluster)
            file.write(data)


def entry(short: str, cluster: int, size: int = 0, *, name: str = "", directory: bool = False) -> bytes:
    """The slots of a file or directory; `short` is its 8.3 name without a dot."""
    alias = short.encode().ljust(11)
    attributes = 0x10 if directory else 0x20
    slot = (
        alias
        + bytes([attributes])
        + bytes(8)
        + struct.pack("<HIHI", cluster >> 16, 0, cluster & 0xFFFF, size)
    )
    return _long_name(name, alias) + slot


def _long_name(name: str, alias: bytes) -> bytes:
    checksum = 0
    for byte in alias:
        checksum = ((checksum & 1) << 7 | checksum >> 1) + byte & 0xFF
    raw = name.encode("utf-16-le") + b"\0\0" if name else b""
    parts = [raw[start : start + 26].ljust(26, b"\xff") for start in range(0, len(raw), 26)]
    slots = b""
    for number in range(len(parts), 0, -1):
        part = parts[number - 1]
        order = number | (0x40 if number == len(parts) else 0)
        slots += (
            bytes([order]) + part[:10] + b"\x0f\0" + bytes([checksum]) + part[10:22] + bytes(2) + part[22:]
        )
    return slots

"""Which bytes of the image are in use, told by dumpe2fs, by the FAT itself and by mtools: never by resin."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from os_image import BOOT, EXT4, MIB, SIZE, Part, run

HASH_BLOCK = 64 * 1024
LEAST, MOST = 465 * MIB, 480 * MIB


@dataclass(frozen=True)
class Extent:
    """Bytes that lie together, from `start` on."""

    start: int
    length: int


def mapped_extents(image: Path) -> list[Extent]:
    """Every grain of 64 KiB that is not wholly free; what lies outside the file systems counts as in use."""
    used = bytearray(b"\x01") * (SIZE // HASH_BLOCK)
    for free in free_extents(image):
        first = -(-free.start // HASH_BLOCK)
        last = (free.start + free.length) // HASH_BLOCK
        if last > first:
            used[first:last] = bytes(last - first)
    found = re.finditer(rb"\x01+", used)
    return [Extent(run.start() * HASH_BLOCK, (run.end() - run.start()) * HASH_BLOCK) for run in found]


def total(extents: Iterable[Extent]) -> int:
    return sum(extent.length for extent in extents)


def in_both(left: list[Extent], right: list[Extent]) -> list[Extent]:
    """The bytes that are in an extent of both lists."""
    found = []
    for one in left:
        for other in right:
            start = max(one.start, other.start)
            end = min(one.start + one.length, other.start + other.length)
            if start < end:
                found.append(Extent(start, end - start))
    return found


def free_extents(image: Path) -> list[Extent]:
    """What is free, neighbours joined, in the order of the image."""
    found = sorted(
        [*free_clusters(image, BOOT), *(free for part in EXT4 for free in free_blocks(image, part))],
        key=lambda extent: extent.start,
    )
    joined: list[Extent] = []
    for extent in found:
        if joined and joined[-1].start + joined[-1].length == extent.start:
            joined[-1] = Extent(joined[-1].start, joined[-1].length + extent.length)
        else:
            joined.append(extent)
    return joined


def free_blocks(image: Path, part: Part) -> Iterator[Extent]:
    said = run("dumpe2fs", f"{image}?offset={part.start}")
    size = int(re.search(r"^Block size: +(\d+)", said, re.M)[1])  # type: ignore[index]
    wanted = int(re.search(r"^Free blocks: +(\d+)", said, re.M)[1])  # type: ignore[index]
    counted = 0
    for line in re.findall(r"^  Free blocks: (.+)$", said, re.M):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", line):
            count = int(last or first) - int(first) + 1
            counted += count
            yield Extent(part.start + int(first) * size, count * size)
    if counted != wanted:
        raise SystemExit(f"{part.label}: dumpe2fs lists {counted} free blocks and counts {wanted}")


def free_clusters(image: Path, part: Part) -> Iterator[Extent]:
    """By the FAT16 of the boot partition; fatgen103, sections 3 and 4. mdir has to count the same."""
    with image.open("rb") as file:
        file.seek(part.start)
        boot = file.read(512)
        sector, per_cluster, reserved, fats, entries = struct.unpack_from("<HBHBH", boot, 11)
        per_fat = struct.unpack_from("<H", boot, 22)[0]
        file.seek(part.start + reserved * sector)
        table = memoryview(file.read(per_fat * sector)).cast("H")
    sectors = struct.unpack_from("<H", boot, 19)[0] or struct.unpack_from("<I", boot, 32)[0]
    data = reserved + fats * per_fat + entries * 32 // sector
    clusters = (sectors - data) // per_cluster
    size = per_cluster * sector
    free = [number for number in range(clusters) if table[number + 2] == 0]
    said = re.search(r"([\d ]+) bytes free", run("mdir", "-i", f"{image}@@{part.start}", "::/"))
    if said is None or int(said[1].replace(" ", "")) != len(free) * size:
        raise SystemExit(f"{part.label}: mdir does not count {len(free)} free clusters")
    for number in free:
        yield Extent(part.start + data * sector + number * size, size)


def check_size(extents: list[Extent]) -> None:
    """End the benchmark where the image is not the one that the bars are for."""
    if not LEAST <= total(extents) <= MOST:
        raise SystemExit(f"{total(extents) / MIB:.1f} MiB are mapped, not {LEAST // MIB} to {MOST // MIB}")


def write_dense(image: Path, extents: list[Extent], path: Path) -> Path:
    """A file of nothing but the mapped bytes, for dd."""
    with image.open("rb") as source, path.open("wb") as file:
        for extent in extents:
            source.seek(extent.start)
            for start in range(0, extent.length, 4 * MIB):
                file.write(source.read(min(4 * MIB, extent.length - start)))
    return path


def first_difference(image: Path, device: str, extents: list[Extent]) -> int | None:
    """The first mapped byte, by its offset in the image, at which the device differs."""
    with image.open("rb") as wanted, Path(device).open("rb") as found:
        for extent in extents:
            wanted.seek(extent.start)
            found.seek(extent.start)
            for start in range(0, extent.length, MIB):
                length = min(MIB, extent.length - start)
                left, right = wanted.read(length), found.read(length)
                if left != right:
                    differs = (at for at in range(length) if left[at] != right[at : at + 1][0])
                    return extent.start + start + next(differs)
    return None

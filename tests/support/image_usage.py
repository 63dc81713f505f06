"""What a file and a stream are said to use, and why nothing of a partition is left out."""

from __future__ import annotations

import struct
from pathlib import Path

from image_tools.usage import FileUsage, StreamUsage, Usage, usage_of_file
from support.disk_images import MIB
from support.file_systems import GRAIN

SIZE = 48 * MIB


def of_file(path: Path, **options: object) -> FileUsage:
    with path.open("rb") as file:
        return usage_of_file(file, path.stat().st_size, **options)  # type: ignore[arg-type]


def streamed(
    path: Path, piece: int = 4 * MIB, *, size: int | None = None
) -> tuple[StreamUsage, list[tuple[int, int]]]:
    """What a stream of pieces learns, and what it said to be needed as the pieces went by."""
    usage, ranges, offset = StreamUsage(size), [], 0
    with path.open("rb") as file:
        while data := file.read(piece):
            usage.take(offset, memoryview(data))
            ranges += usage.needed(offset, offset + len(data))
            offset += len(data)
    usage.finish()
    return usage, ranges


def grains(ranges: list[tuple[int, int]]) -> set[int]:
    return {grain for start, end in ranges for grain in range(start // GRAIN, -(-end // GRAIN))}


def mbr(*slots: tuple[int, int, int]) -> bytes:
    """A sector with a table of (type, start, count), in sectors."""
    entries = b"".join(struct.pack("<4xB3xII", *slot) for slot in slots)
    return bytes(446) + entries.ljust(64, b"\0") + b"\x55\xaa"


def all_of(usage: Usage, path: Path) -> set[int]:
    return grains(usage.needed(0, path.stat().st_size))


def reason(path: Path, number: int = 1) -> str:
    """Why nothing of a partition is left out, as the file and the stream both say."""
    found = of_file(path)
    area = next(area for area in found.partitions if area.partition.number == number)
    later = next(area for area in streamed(path)[0].partitions if area.partition.number == number)
    assert not area.trimmed
    assert not later.trimmed
    assert all_of(found, path) == set(range(-(-path.stat().st_size // GRAIN)))
    return area.reason

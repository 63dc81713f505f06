"""What the FAT editor keeps right beside the files: times, counts, the order of its writes, few reads."""

from __future__ import annotations

import io
import os
import re
import struct
from datetime import datetime
from pathlib import Path

import pytest
from support.cut_file import RecordedFile
from support.fat_editing import KINDS, NOW, apply, fat_folder, fat_image, judged, layout_of, own_tree  # noqa: F401 - fixtures
from support.fat_images import (
    MIB,
    FatImage,
    Geometry,
    listing_by_mtools,
    make_bare,
    make_image,
    mtools_tree,
    put_by_mtools,
    run,
)
from support.fat_layout import Layout

from image_tools.fat import FatFileSystem, MakeDirectory, Put, Remove
from resin_toolkit.errors import NotAnImage

# times and counts


def test_times_as_mtools_shows_them(image: FatImage) -> None:
    apply(image, Put("/CONFIG.TXT", b"one"), MakeDirectory("/DIR"))
    line = next(line for line in listing_by_mtools(image) if line.startswith("CONFIG   TXT"))
    assert re.search(r" 3 2017-03-16  14:35", line)
    assert any(line.startswith("DIR ") and "2017-03-16  14:35" in line for line in listing_by_mtools(image))
    apply(image, Put("/config.txt", b"four"), now=datetime(2026, 12, 31, 23, 59, 59))
    line = next(line for line in listing_by_mtools(image) if line.startswith("CONFIG   TXT"))
    assert re.search(r" 4 2026-12-31  23:59", line)
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        assert system.stat("/config.txt").modified == datetime(2026, 12, 31, 23, 59, 58)
        assert system.stat("/DIR").modified == NOW
    _, slot = next((at, slot) for at, slot in layout_of(image).slots() if slot[:8] == b"CONFIG  ")
    created = struct.unpack_from("<HH", slot, 14)
    assert created == (14 << 11 | 35 << 5 | 29, 37 << 9 | 3 << 5 | 16), "the time of creation stays"


def test_times_that_fat_cannot_tell(image: FatImage) -> None:
    apply(image, Put("/EARLY", b""), now=datetime(1970, 1, 1))
    apply(image, Put("/LATE", b""), now=datetime(2150, 1, 1))
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        assert system.stat("/EARLY").modified == datetime(1980, 1, 1)
        assert system.stat("/LATE").modified == datetime(2107, 12, 31, 23, 59, 58)


def test_fsinfo_is_right_after_each_edit(folder: Path) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    for change in (
        Put("/a.bin", b"a" * 5000),
        MakeDirectory("/dir"),
        Put("/a.bin", b"a"),
        Put("/dir/b", b""),
        Put("/dir/c", b"c" * 9999),
        Remove("/a.bin"),
        Remove("/dir", recursive=True),
    ):
        apply(image, change)
        free, following = layout.info()
        assert free == len(layout.free())
        assert 2 <= following < layout.clusters + 2


@pytest.mark.parametrize("count", [0xFFFFFFFF, 0, 5, 0x7FFFFFFF])
def test_a_wrong_free_count_is_not_believed(folder: Path, count: int) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    layout.set_free_count(count)
    apply(image, Put("/a.bin", b"a" * 5000))
    assert layout.info()[0] == len(layout.free())
    assert judged(image) == {"a.bin": b"a" * 5000}


@pytest.mark.parametrize("hint", [0xFFFFFFFF, 0, 1, 0x0FFFFFF0])
def test_a_senseless_hint_is_not_followed(folder: Path, hint: int) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    layout.write_bytes(layout.info_at + 492, struct.pack("<I", hint))
    apply(image, Put("/a.bin", b"a" * 5000))
    assert judged(image) == {"a.bin": b"a" * 5000}


def test_reserved_bits_of_fat32_entries_stay(folder: Path) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    for number in range(2):
        at = layout.fat_at + number * layout.fat_size + 4 * 3
        layout.write_bytes(at, struct.pack("<I", 0xA0000000) * 20)
    apply(image, Put("/a.bin", b"a" * 5000))
    assert {entry >> 28 for entry in struct.unpack("<20I", layout.fat()[12:92])} == {0xA}
    assert mtools_tree(image) == {"a.bin": b"a" * 5000}
    apply(image, Remove("/a.bin"))
    assert struct.unpack("<20I", layout.fat()[12:92]) == (0xA0000000,) * 20


def test_fat32_without_mirroring_writes_the_active_fat_only(folder: Path) -> None:
    image = make_image(folder / "image", KINDS["fat32"])
    layout = layout_of(image)
    layout.write_bytes(layout.start + 40, struct.pack("<H", 0x80 | 1))
    idle = layout.fat(0)
    apply(image, Put("/a.bin", b"a" * 5000))
    assert layout.fat(0) == idle
    assert layout.fat(1) != idle
    assert own_tree(image) == {"a.bin": b"a" * 5000}


# how it writes and reads


def test_a_flush_reaches_the_medium(image: FatImage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real file each step ends in fsync, after the write of the step and before that of the next."""
    steps: list[str] = []
    real = os.fdatasync

    class Watched(io.FileIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            if steps[-1:] != ["write"]:
                steps.append("write")
            return super().write(data)

    def fsync(descriptor: int) -> None:
        steps.append("fsync")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fsync)
    with Watched(str(image.path), "r+b") as file:
        FatFileSystem.open(file, image.offset, image.size).apply([Put("/a.bin", b"a" * 5000)])
    assert steps[-1] == "fsync"
    assert steps.count("write") == steps.count("fsync") >= 4


def test_order_of_writes(image: FatImage) -> None:
    """Data; FAT 1; FAT 2; the directory; then the old chain leaves FAT 1, FAT 2; FSInfo last."""
    apply(image, Put("/A.BIN", b"a" * 5000))
    layout = layout_of(image)
    with RecordedFile(image.path) as file:
        FatFileSystem.open(file, image.offset, image.size).apply([Put("/A.BIN", b"b" * 6000)])
        epochs = [{where(layout, write.at) for write in epoch} for epoch in file.epochs if epoch]
    info = [{"info"}] if layout.bits == 32 else []
    wanted = [{"data"}, {"fat 1"}, {"fat 2"}, {"root"}, {"fat 1"}, {"fat 2"}, *info]
    assert epochs == wanted


def where(layout: Layout, at: int) -> str:
    if any(start <= at < start + length for start, length in layout.root_spans()):
        return "root"
    if at >= layout.data_at:
        return "data"
    if at >= layout.fat_at:
        return f"fat {(at - layout.fat_at) // layout.fat_size + 1}"
    return "info" if layout.info_at <= at < layout.info_at + 512 else "reserved"


def reads_to_open(path: Path) -> tuple[int, int]:
    with RecordedFile(path) as file:
        system = FatFileSystem.open(file)
        assert system.read("/config.json") == b"{}"
        return len(file.reads), sum(length for _, length in file.reads)


def test_a_large_partition_opens_with_as_few_reads_as_a_small_one(folder: Path) -> None:
    found = []
    for mib in (36, 1024):
        path = folder / f"{mib}"
        make_bare(path, Geometry(32, 512, mib))
        put_by_mtools(FatImage(path, 0, mib * MIB, ""), "config.json", b"{}")
        found.append(reads_to_open(path))
    small, large = found
    assert large == small
    assert large[1] < 64 * 1024


def test_no_write_of_what_is_there_already(image: FatImage) -> None:
    """Reading, listing and looking write nothing, though the file could be written."""
    apply(image, Put("/a.txt", b"a"))
    before = image.digest()
    with RecordedFile(image.path) as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        system.list()
        system.read("/a.txt")
        system.check()
        system.free_bytes()
        assert file.writes == []
    assert image.digest() == before


def test_entry_of_a_free_cluster_is_not_trusted_to_be_clean(image: FatImage) -> None:
    """A cluster that becomes part of a directory is cleared first."""
    layout = layout_of(image)
    for number in layout.free()[:40]:
        layout.write_bytes(layout.cluster_at(number), b"RUBBISH TXT " * (layout.cluster // 12))
    apply(image, MakeDirectory("/dir"), *(Put(f"/dir/name {number}", b"") for number in range(20)))
    assert judged(image) == {"dir": None} | {f"dir/name {number}": b"" for number in range(20)}


def test_a_table_is_no_file_system(folder: Path) -> None:
    path = folder / "disk"
    with path.open("wb") as file:
        file.truncate(4 * MIB)
    run("sfdisk", "-q", str(path), data=b"label: dos\nstart=2048, type=c\n")
    with path.open("rb") as file, pytest.raises(NotAnImage):
        FatFileSystem.open(file)

"""The sample image that the package carries, and the recipe that makes it."""

from __future__ import annotations

import json
import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
from support.disk_images import MIB, run, sfdisk_rows

from image_tools.fat import FatFileSystem
from image_tools.filesystems import FileSystem, probe
from image_tools.partition_roles import role_of
from image_tools.partitions import PartitionTable, Scheme, read_table

RECIPE = Path(__file__).parents[1] / "sample_image" / "make"


@dataclass(frozen=True)
class Contents:
    """What two images made by the recipe have in common, whatever the version of the tools."""

    table: PartitionTable
    filesystems: tuple[tuple[str, str], ...]
    boot_files: dict[str, bytes]
    other_files: tuple[str, ...]


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(
        files("image_tools").joinpath("data", "sample.img.xz").read_bytes(),
        tmp_path_factory.mktemp("packaged") / "image",
    )


def unpacked(compressed: bytes, path: Path) -> Path:
    data = lzma.decompress(compressed)
    with path.open("wb") as file:
        for start in range(0, len(data), MIB):
            piece = data[start : start + MIB]
            if any(piece):
                file.seek(start)
                file.write(piece)
        file.truncate(len(data))
    return path


def parts(image: Path, table: PartitionTable, folder: Path) -> Iterator[tuple[int, Path]]:
    """Each partition that holds a file system, as a file of its own."""
    with image.open("rb") as file:
        for partition in table.partitions:
            if partition.is_extended:
                continue
            part = folder / f"{image.parent.name}-{partition.number}"
            file.seek(partition.start)
            part.write_bytes(file.read(partition.size))
            yield partition.number, part


def contents(image: Path, folder: Path) -> Contents:
    with image.open("rb") as file:
        table = read_table(file)
        found = [probe(file, p.start, p.size) for p in table.partitions if not p.is_extended]
        boot = FatFileSystem.open(file, table.partitions[0].start, table.partitions[0].size)
        boot_files = {entry.path: boot.read(entry.path) for entry in boot.walk() if not entry.is_directory}
    listings = []
    for number, part in parts(image, table, folder):
        if number > 1:
            for path in ("/", "/etc", "/usr", "/mnt", "/root-overlay"):
                listings.append(run("debugfs", "-R", f"ls -l {path}", part))
    return Contents(table, tuple((f.type, f.label) for f in found), boot_files, tuple(listings))


@pytest.fixture(scope="module")
def packaged_contents(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return contents(packaged, tmp_path_factory.mktemp("parts"))


def test_the_recipe_makes_the_packaged_image(packaged_contents: Contents, tmp_path: Path) -> None:
    run(RECIPE, tmp_path / "again")
    again = unpacked((tmp_path / "again").read_bytes(), tmp_path / "image")
    assert contents(again, tmp_path) == packaged_contents


def test_it_is_small() -> None:
    assert len(files("image_tools").joinpath("data", "sample.img.xz").read_bytes()) < 200_000


def test_its_layout(packaged: Path) -> None:
    with packaged.open("rb") as file:
        table = read_table(file)
        found = {
            p.number: FileSystem("") if p.is_extended else probe(file, p.start, p.size)
            for p in table.partitions
        }
    assert (table.scheme, table.notices, table.size) == (Scheme.MBR, (), 188 * MIB)
    assert [(p.number, p.start, p.size) for p in table.partitions] == [
        (row.number, row.start, row.size) for row in sfdisk_rows(packaged)
    ]
    assert all(p.start % (4 * MIB) == 0 for p in table.partitions)
    assert {p.number: (found[p.number].type, found[p.number].label) for p in table.partitions} == {
        1: ("fat16", "resin-boot"),
        2: ("ext4", "resin-root"),
        3: ("ext4", "resin-updt"),
        4: ("", ""),
        5: ("ext4", "resin-conf"),
        6: ("ext4", "resin-data"),
    }
    roles = [role_of(p, found[p.number]) for p in table.partitions]
    assert roles == ["boot", "root", "update", "extended", "state", "data"]


def test_its_file_systems_are_sound(packaged: Path, tmp_path: Path) -> None:
    with packaged.open("rb") as file:
        table = read_table(file)
    for number, part in parts(packaged, table, tmp_path):
        run(*(("fsck.fat", "-n") if number == 1 else ("e2fsck", "-f", "-n")), part)


def test_its_boot_partition(packaged_contents: Contents) -> None:
    boot = packaged_contents.boot_files
    assert json.loads(boot["/config.json"])["deviceType"] == "raspberrypi3"
    device_type = json.loads(boot["/device-type.json"])
    assert (device_type["slug"], device_type["name"]) == ("raspberrypi3", "Raspberry Pi 3")
    assert (device_type["arch"], device_type["yocto"]["machine"]) == ("armv7hf", "raspberrypi3")
    assert b'VARIANT_ID="dev"' in boot["/os-release"]
    assert b"super_secret_wifi_password" in boot["/system-connections/resin-sample"]
    assert {"/config.txt", "/cmdline.txt", "/image-version-info", "/kernel7.img"} <= set(boot)


def test_its_logo_is_a_png(packaged_contents: Contents) -> None:
    logo = packaged_contents.boot_files["/splash/resin-logo.png"]
    assert logo[:8] == b"\x89PNG\r\n\x1a\n"
    position, data, kinds = 8, b"", []
    while position < len(logo):
        (length,) = struct.unpack_from(">I", logo, position)
        chunk = logo[position + 4 : position + 8 + length]
        assert zlib.crc32(chunk) == struct.unpack_from(">I", logo, position + 8 + length)[0]
        kinds.append(chunk[:4])
        data += chunk[4:] if chunk[:4] == b"IDAT" else b""
        position += 12 + length
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
    width, height = struct.unpack_from(">II", logo, 16)
    assert len(zlib.decompress(data)) == height * (1 + 4 * width)

"""File systems made by their own mkfs tools, and told from each other; roles by their names."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from support.disk_images import MIB, blank, peek, poke, run

from image_tools.file_window import Window
from image_tools.filesystems import FileSystem, probe
from image_tools.filesystems.ext4 import read_superblock
from image_tools.partition_roles import role_of
from image_tools.partitions import Partition
from resin_toolkit.errors import FileSystemDamaged, NotAnImage

OFFSET = 3 * MIB + 512
SIZE = 64 * MIB
FORMATS = {
    "fat12": ("mkfs.fat", "-F", "12", "-s", "64", "-n", "A LABEL"),
    "fat16": ("mkfs.fat", "-F", "16", "-n", "A LABEL"),
    "fat32": ("mkfs.fat", "-F", "32", "-n", "A LABEL"),
    "ext2": ("mkfs.ext2", "-q", "-L", "A LABEL"),
    "ext3": ("mkfs.ext3", "-q", "-L", "A LABEL"),
    "ext4": ("mkfs.ext4", "-q", "-L", "A LABEL"),
    "swap": ("mkswap", "-L", "A LABEL"),
    "f2fs": ("mkfs.f2fs", "-q", "-l", "A LABEL"),
}
LARGE_FORMATS = {
    "btrfs": ("mkfs.btrfs", "-q", "-L", "A LABEL"),
    "xfs": ("mkfs.xfs", "-q", "-L", "A LABEL"),
}
UNLABELLED = {
    "luks": ("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks1", "--iter-time", "10"),
    "exfat": ("mkfs.exfat",),
}


def made(path: Path, command: tuple[str, ...], size: int = SIZE) -> Path:
    blank(path, size)
    run(*command, path, *(("-",) if "cryptsetup" in command else ()), stdin="a passphrase")
    return path


def probed(image: Path, offset: int = 0, size: int | None = None, *, usage: bool = True) -> FileSystem:
    with image.open("rb") as file:
        return probe(file, offset, image.stat().st_size - offset if size is None else size, usage=usage)


def within(image: Path, folder: Path) -> Path:
    """The image as a partition, with other bytes before and after it."""
    disk = folder / "disk"
    noise = random.Random(1).randbytes(OFFSET)
    disk.write_bytes(noise + image.read_bytes() + noise[:4096])
    return disk


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_kind_and_label(tmp_path: Path, kind: str) -> None:
    image = made(tmp_path / "image", FORMATS[kind])
    found = probed(image)
    assert (found.type, found.label, found.problem) == (kind, "A LABEL", "")
    assert found.total is not None
    assert 0.8 * SIZE < found.total <= SIZE
    assert found.is_known
    assert probed(within(image, tmp_path), OFFSET, SIZE) == found


@pytest.mark.parametrize("kind", sorted(LARGE_FORMATS))
def test_kind_and_label_of_those_that_need_room(tmp_path: Path, kind: str) -> None:
    image = made(tmp_path / "image", LARGE_FORMATS[kind], 512 * MIB)
    found = probed(image)
    assert (found.type, found.label, found.total) == (kind, "A LABEL", 512 * MIB)
    assert found.used is not None
    assert 0 < found.used < 128 * MIB


@pytest.mark.parametrize("kind", sorted(UNLABELLED))
def test_kind_alone(tmp_path: Path, kind: str) -> None:
    assert probed(made(tmp_path / "image", UNLABELLED[kind])).type == kind


def test_the_label_of_luks_2(tmp_path: Path) -> None:
    command = ("cryptsetup", "luksFormat", "--batch-mode", "--label", "secret", "--pbkdf", "pbkdf2")
    image = made(tmp_path / "image", (*command, "--pbkdf-force-iterations", "1000"))
    assert probed(image) == FileSystem("luks", "secret")


def test_squashfs(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(random.Random(2).randbytes(100_000))
    image = tmp_path / "image"
    run("mksquashfs", tmp_path / "tree", image, "-quiet", "-no-progress")
    found = probed(image)
    assert (found.type, found.used) == ("squashfs", found.total)
    assert found.total is not None
    assert image.stat().st_size - 4096 < found.total <= image.stat().st_size


def test_iso9660(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    image = tmp_path / "image"
    run("genisoimage", "-quiet", "-V", "A_LABEL", "-o", image, tmp_path / "tree")
    assert probed(image) == FileSystem("iso9660", "A_LABEL", image.stat().st_size, image.stat().st_size)


def test_what_is_none_of_them(tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(random.Random(3).randbytes(2 * MIB))
    assert probed(noise) == FileSystem("")
    assert not probed(noise).is_known
    zeros = blank(tmp_path / "zeros", 2 * MIB)
    assert probed(zeros) == FileSystem("empty")
    assert not probed(zeros).is_known
    poke(zeros, MIB, b"x")
    assert probed(zeros) == FileSystem("empty")
    poke(zeros, MIB - 1, b"x")
    assert probed(zeros) == FileSystem("")


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 0), (0, 1), (2 * MIB, 4096), (1 << 70, 1 << 70), (0, 1 << 70)]
)
def test_places_outside_the_file(tmp_path: Path, offset: int, size: int) -> None:
    zeros = blank(tmp_path / "zeros", 2 * MIB)
    assert probed(zeros, offset, size).type in ("", "empty")


@pytest.mark.parametrize("length", [0, 1, 511, 512, 1023, 1024, 1100, 2047, 2048, 4096, 40_000])
@pytest.mark.parametrize("kind", ["fat16", "ext4", "f2fs", "swap"])
def test_a_file_that_ends_early(tmp_path: Path, kind: str, length: int) -> None:
    image = made(tmp_path / "image", FORMATS[kind])
    with image.open("r+b") as file:
        file.truncate(length)
    found = probed(image, 0, SIZE)
    assert found.type in (kind, kind[:3], "", "empty")


def test_a_truncated_fat_is_known_with_its_problem(tmp_path: Path) -> None:
    image = made(tmp_path / "image", FORMATS["fat16"])
    with image.open("r+b") as file:
        file.truncate(MIB)
    found = probed(image, 0, SIZE)
    assert found.type == "fat"
    assert found.type.startswith("fat")
    assert "in a partition of" in found.problem


@pytest.mark.parametrize("kind", ["fat12", "fat16", "fat32"])
def test_the_use_of_a_fat(tmp_path: Path, kind: str) -> None:
    image = made(tmp_path / "image", FORMATS[kind])
    before = probed(image)
    content = tmp_path / "content"
    content.write_bytes(bytes(5 * MIB))
    run("mcopy", "-i", image, content, "::")
    after = probed(image)
    assert before.used is not None
    assert after.used == before.used + 5 * MIB
    assert after.total == before.total
    assert probed(image, usage=False) == replace(after, used=None)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-O", "^64bit"),
        ("-O", "^metadata_csum"),
        ("-b", "1024"),
        ("-b", "4096", "-O", "bigalloc", "-C", "16384"),
        ("-O", "^has_journal"),
    ],
)
def test_the_superblock_of_ext4(tmp_path: Path, options: tuple[str, ...]) -> None:
    image = made(tmp_path / "image", ("mkfs.ext4", "-q", "-L", "resin-data", *options))
    told = dict(line.split(":", 1) for line in run("dumpe2fs", "-h", image).splitlines() if ":" in line)
    told = {name: text.strip() for name, text in told.items()}
    with image.open("rb") as file:
        superblock = read_superblock(Window(file, 0, SIZE))
    assert superblock.type == "ext4"
    assert superblock.label == told["Filesystem volume name"]
    assert superblock.block_size == int(told["Block size"])
    assert superblock.cluster_size == int(told.get("Cluster size", told["Block size"]))
    assert superblock.block_count == int(told["Block count"])
    assert superblock.free_blocks == int(told["Free blocks"])
    assert superblock.first_data_block == int(told["First block"])
    assert superblock.blocks_per_group == int(told["Blocks per group"])
    assert superblock.inode_count == int(told["Inode count"])
    assert superblock.free_inodes == int(told["Free inodes"])
    assert superblock.uuid.hex() == told["Filesystem UUID"].replace("-", "")
    assert superblock.is_clean is (told["Filesystem state"] == "clean") is True
    assert superblock.descriptor_size == int(told.get("Group descriptor size", 32))


def test_a_file_system_of_more_blocks_than_32_bits_count(tmp_path: Path) -> None:
    """The high halves of the counters, set by hand: a file of 20 TiB is more than most places take."""
    size = 20 * 1024 * 1024 * MIB
    image = blank(tmp_path / "image", MIB)
    run("mkfs.ext4", "-q", "-O", "^has_journal,^metadata_csum,64bit", "-b", "1024", image)
    with image.open("r+b") as file:
        raw = bytearray(peek(image, 1024, 1024))
        blocks = size // 1024
        for low, high, value in ((0x04, 0x150, blocks), (0x0C, 0x158, blocks - 5)):
            raw[low : low + 4] = (value & 0xFFFFFFFF).to_bytes(4, "little")
            raw[high : high + 4] = (value >> 32).to_bytes(4, "little")
        file.seek(1024)
        file.write(raw)
    found = probed(image)
    assert (found.total, found.used) == (size, 5 * 1024)


def test_a_damaged_superblock(tmp_path: Path) -> None:
    image = made(tmp_path / "image", FORMATS["ext4"])
    poke(image, 1024 + 0x0C, b"\x01")
    with image.open("rb") as file, pytest.raises(FileSystemDamaged, match="checksum"):
        read_superblock(Window(file, 0, SIZE))
    found = probed(image)
    assert (found.type, found.label) == ("ext4", "")
    assert "checksum" in found.problem


@pytest.mark.parametrize("field", [0x04, 0x18, 0x20, 0x28])
@pytest.mark.parametrize("value", [0, 0xFFFFFFFF])
def test_a_superblock_without_checksum_that_cannot_be(tmp_path: Path, field: int, value: int) -> None:
    image = made(tmp_path / "image", FORMATS["ext2"])
    poke(image, 1024 + field, value.to_bytes(4, "little"))
    if (field, value) in ((0x18, 0), (0x04, 0xFFFFFFFF), (0x20, 0xFFFFFFFF), (0x28, 0xFFFFFFFF)):
        assert probed(image).type == "ext2"
    else:
        assert probed(image).problem


def test_a_superblock_of_no_blocks(tmp_path: Path) -> None:
    image = made(tmp_path / "image", FORMATS["ext2"])
    poke(image, 1024 + 0x04, bytes(4))
    poke(image, 1024 + 0x0C, bytes(4))
    assert "first data block" in probed(image).problem


def test_no_superblock(tmp_path: Path) -> None:
    with blank(tmp_path / "image", MIB).open("rb") as file, pytest.raises(NotAnImage):
        read_superblock(Window(file, 0, MIB))


def test_a_mounted_file_system_is_not_clean(tmp_path: Path) -> None:
    image = made(tmp_path / "image", FORMATS["ext4"])
    run("debugfs", "-w", "-R", "dirty", image)
    with image.open("rb") as file:
        assert not read_superblock(Window(file, 0, SIZE)).is_clean


def test_a_fat_over_an_ext4_and_the_reverse(tmp_path: Path) -> None:
    image = made(tmp_path / "image", FORMATS["ext4"])
    run(*FORMATS["fat16"], image)
    assert probed(image).type == "fat16"
    run("mkfs.ext4", "-q", "-F", image)
    assert probed(image).type == "ext4"


@pytest.mark.parametrize(
    ("label", "role"),
    [
        *((f"{family}-boot", "boot") for family in ("resin", "balena", "flash")),
        ("RESIN-BOOT", "boot"),
        ("resin-root", "root"),
        ("resin-rootA", "root"),
        ("balena-rootB", "root (dormant)"),
        ("flash-rootA", "root"),
        ("resin-updt", "update"),
        ("resin-update", "update"),
        ("resin-conf", "state"),
        ("balena-state", "state"),
        ("flash-conf", "state"),
        ("resin-data", "data"),
        ("Balena-DATA", "data"),
        ("boot", ""),
        ("resin", ""),
        ("resin-", ""),
        ("my-resin-boot", ""),
        ("resin-bootloader", ""),
        ("", ""),
    ],
)
def test_roles(label: str, role: str) -> None:
    plain = Partition(1, MIB, MIB, "0x83")
    assert role_of(plain, FileSystem("ext4", label)) == role
    assert role_of(replace(plain, name=label), FileSystem("")) == role
    assert role_of(replace(plain, is_extended=True), FileSystem("ext4", label)) == "extended"


def test_the_name_in_the_table_counts_before_the_label() -> None:
    partition = Partition(1, MIB, MIB, "", name="resin-rootB")
    assert role_of(partition, FileSystem("ext4", "resin-rootA")) == "root (dormant)"
    assert role_of(replace(partition, name="primary"), FileSystem("ext4", "resin-rootA")) == "root"

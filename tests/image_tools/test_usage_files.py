"""What an image with ext or FAT uses: judged by dumpe2fs, e2fsck, fsck.fat and mtools over stale bytes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.disk_images import MIB, blank, partitioned, poke, run
from support.file_systems import (
    GRAIN,
    contents,
    copied,
    ext,
    ext_files,
    ext_problems,
    fat,
    fat_files,
    fat_problems,
    files,
    placed,
    used_grains_of_ext,
)
from support.image_usage import SIZE, all_of, grains, of_file, reason, streamed

EXT = [
    "-b 4096",
    "-b 1024",
    "-b 2048",
    "-b 4096 -O ^has_journal",
    "-O 64bit,metadata_csum -b 4096",
    "-O ^64bit,^metadata_csum,uninit_bg",
    "-O ^64bit,^metadata_csum,^uninit_bg -b 1024",
    "-t ext2",
    "-t ext3 -b 1024",
    "-O ^flex_bg -b 1024",
    "-O sparse_super2 -b 1024",
    "-O ^sparse_super,^resize_inode -b 1024",
    "-O metadata_csum_seed",
    "-O quota,project",
    "-O inline_data,mmp,large_dir,ea_inode,casefold,encrypt,verity",
    "-b 1024 -g 1024 -O ^resize_inode",
    "-E packed_meta_blocks=1",
    "-E lazy_itable_init=1 -b 1024",
]

# ext2, ext3, ext4


@pytest.mark.parametrize("size", [SIZE, SIZE + 5 * 1024])
@pytest.mark.parametrize("options", EXT)
def test_exactly_the_blocks_that_ext_uses_are_needed(options: str, size: int, tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", size, files(tmp_path), *options.split())
    used = used_grains_of_ext(path) | set(range(MIB // GRAIN))
    length = of_file(path).partitions[0]
    assert length.trimmed, length.reason
    found = all_of(of_file(path), path)
    behind = {size // GRAIN} if size % GRAIN else set()
    assert found - behind == used - behind
    assert grains(streamed(path)[1]) == found


@pytest.mark.parametrize(
    "options", ["-b 4096", "-O bigalloc -C 16384 -b 1024", "-O bigalloc -C 65536", "-t ext2"]
)
def test_what_is_left_out_is_not_missed(options: str, tmp_path: Path) -> None:
    source = files(tmp_path)
    path = ext(tmp_path / "fs.img", SIZE, source, *options.split())
    copy = copied(path, tmp_path / "copy.img", of_file(path).needed(0, SIZE))
    assert ext_problems(copy) == ""
    assert contents(source).items() <= ext_files(copy, tmp_path / "out").items()
    assert len(all_of(of_file(path), path)) < SIZE // GRAIN // 2


@pytest.mark.parametrize("piece", [4 * MIB, 100_003, 4096])
def test_a_stream_learns_the_same_in_pieces_of_any_size(piece: int, tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", SIZE, files(tmp_path))
    found = all_of(of_file(path), path)
    assert grains(streamed(path, piece)[1]) >= found
    assert len(grains(streamed(path, piece)[1])) <= len(found) + 2 * (MIB // GRAIN)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("feature ^metadata_csum\nfeature needs_recovery", "journal"),
        ("ssv state 0", "cleanly"),
        ("ssv state 3", "cleanly"),
        ("feature orphan_present", "orphan"),
        ("feature shared_blocks", "not known"),
        ("feature ^has_journal\nfeature journal_dev", ""),
    ],
)
def test_what_is_not_certain_is_written_whole(change: str, why: str, tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", 16 * MIB, None)
    commands = tmp_path / "commands"
    commands.write_text(change + "\n")
    run("debugfs", "-w", "-f", commands, path)
    assert why in reason(path)


def test_features_that_are_not_handled_are_written_whole(tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", 16 * MIB, None, "-O", "meta_bg,^resize_inode")
    assert "not known" in reason(path)


@pytest.mark.parametrize(
    "options", ["-b 1024", "-b 1024 -O ^metadata_csum,uninit_bg", "-b 1024 -O ^metadata_csum"]
)
def test_a_group_with_a_wrong_bitmap_is_written_whole(options: str, tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", SIZE, files(tmp_path), *options.split())
    before = all_of(of_file(path), path)
    place = int(run("debugfs", "-R", "stats", path).split("block bitmap at ")[2].split(",")[0])
    poke(path, place * 1024 + 1000, b"\xff\xff")
    found = of_file(path)
    assert "bitmap of group 1" in found.partitions[0].reason
    group = set(range(8 * MIB // GRAIN + 1, 16 * MIB // GRAIN))
    assert all_of(found, path) == before | group | {8 * MIB // GRAIN, 16 * MIB // GRAIN}


def test_a_wrong_descriptor_checksum_is_written_whole(tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", 16 * MIB, None, "-b", "1024")
    poke(path, 2048 + 12, b"\x01\x00")
    assert "descriptor" in reason(path)


def test_a_file_system_longer_than_its_partition_is_written_whole(tmp_path: Path) -> None:
    inner = ext(tmp_path / "fs.img", 16 * MIB, None)
    path = partitioned(tmp_path / "disk.img", 32 * MIB, "label: dos\nstart=2048, size=30000, type=83\n")
    placed(path, inner, MIB)
    assert "longer" in reason(path)


def test_numbers_that_lie_cost_no_time_and_lose_nothing(tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", 16 * MIB, None, "-O", "^metadata_csum,^uninit_bg,^flex_bg", "-b", "1024")
    for place, value in ((0x20, 8), (0x24, 8), (0x28, 0xFFFFFFFF)):
        poke(path, 1024 + place, value.to_bytes(4, "little"))
    assert reason(path)


def test_a_great_many_groups_cost_little(tmp_path: Path) -> None:
    """All of them say that their bitmap is the first block; time grows with their number."""

    def seconds(groups: int) -> float:
        path = blank(tmp_path / "fs.img", 8 * MIB)
        fields = {
            0x00: 8 * groups,
            0x04: 8 * groups + 1,
            0x14: 1,
            0x20: 8,
            0x24: 8,
            0x28: 8,
            0x4C: 1,
            0x58: 128,
        }
        for place, value in fields.items():
            poke(path, 1024 + place, value.to_bytes(4, "little"))
        poke(path, 1024 + 0x38, bytes.fromhex("53ef 0100"))
        start = time.process_time()
        usage, _ = streamed(path)
        assert usage.partitions[0].filesystem == "ext2"
        return time.process_time() - start

    def at_best(groups: int) -> float:
        return min(seconds(groups) for _ in range(3))

    # Four times as many take four times as long; if each looked at all of them it would be sixteen.
    assert at_best(32_000) < 8 * at_best(8_000)


# FAT


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (4 * MIB, "-F 12"),
        (32 * MIB, "-F 16"),
        (20 * MIB, "-F 16 -s 1"),
        (48 * MIB, "-F 32 -s 1"),
        (100 * MIB, "-F 32 -s 2"),
        (260 * MIB, "-F 16 -s 128"),
        (40 * MIB, "-F 16 -f 1 -S 2048"),
    ],
)
def test_fat_loses_nothing(size: int, options: str, tmp_path: Path) -> None:
    source = files(tmp_path, 8)
    path = fat(tmp_path / "fs.img", size, source, *options.split())
    run("mdel", "-i", path, "::file-3")
    usage = of_file(path)
    assert usage.partitions[0].trimmed, usage.partitions[0].reason
    copy = copied(path, tmp_path / "copy.img", usage.needed(0, size))
    assert fat_problems(copy) == ""
    wanted = {name: data for name, data in contents(source).items() if name != "file-3"}
    assert fat_files(copy, tmp_path / "out") == wanted
    total = sum(map(len, contents(source).values())) + 4 * MIB + size // 8
    assert len(all_of(usage, path)) <= total // GRAIN
    assert grains(streamed(path)[1]) == all_of(usage, path)


@pytest.mark.parametrize(
    ("place", "data", "why"),
    [
        (37, b"\x01", "cleanly"),
        (4 * 512 + 3, b"\x7f", "differ"),
        (4 * 512 + 100, b"\x09", "differ"),
        (4 * 512, b"\xf0", "differ"),
    ],
)
def test_a_fat_that_is_not_certain_is_written_whole(
    place: int, data: bytes, why: str, tmp_path: Path
) -> None:
    path = fat(tmp_path / "fs.img", 32 * MIB, None, "-F", "16", "-R", "4")
    poke(path, place, data)
    assert why in reason(path)


def test_a_fat_whose_two_copies_both_say_that_it_is_dirty(tmp_path: Path) -> None:
    path = fat(tmp_path / "fs.img", 32 * MIB, None, "-F", "16", "-f", "1", "-R", "4")
    poke(path, 4 * 512 + 3, b"\x7f")
    assert "cleanly" in reason(path)

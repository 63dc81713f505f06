"""What a whole disk uses: partitions, whatever they overlap with or hold, block maps, holes, and nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.disk_images import MIB, blank, gpt, partitioned, poke, run
from support.examples import examples
from support.file_systems import (
    GRAIN,
    contents,
    copied,
    ext,
    ext_problems,
    fat,
    fat_files,
    fat_problems,
    files,
    part_of,
    placed,
    used_grains_of_ext,
)
from support.image_usage import all_of, grains, mbr, of_file, reason, streamed

from image_tools.usage import Everything, Usage, UsageContradicted

LAYOUT = """
label: dos
start=8192,  size=40960, type=c, bootable
start=49152, size=65536, type=83
start=114688, size=32768, type=83
start=147456, size=147456, type=f
start=155648, size=32768, type=83
start=196608, size=98304, type=83
"""

# whole disks


def disk(folder: Path) -> tuple[Path, dict[int, tuple[int, int]]]:
    """An image of the system's layout, and start and size of each partition with a file system."""
    source = files(folder)
    path = partitioned(folder / "disk.img", 144 * MIB, LAYOUT)
    places = {1: (4, 20), 2: (24, 32), 3: (56, 16), 5: (76, 16), 6: (96, 48)}
    for number, (start, size) in places.items():
        inner = folder / f"part-{number}"
        if number == 1:
            fat(inner, size * MIB, source, "-F", "16")
        else:
            ext(
                inner,
                size * MIB,
                source if number in (2, 6) else None,
                "-t",
                "ext2" if number == 3 else "ext4",
            )
        placed(path, inner, start * MIB)
    return path, {number: (start * MIB, size * MIB) for number, (start, size) in places.items()}


@pytest.mark.parametrize("way", ["file", "stream"])
def test_a_disk_with_logical_partitions_loses_nothing(way: str, tmp_path: Path) -> None:
    path, places = disk(tmp_path)
    usage: Usage
    if way == "file":
        usage = of_file(path)
        ranges = usage.needed(0, path.stat().st_size)
    else:
        usage, ranges = streamed(path)
    assert [area.trimmed for area in usage.partitions] == [True] * 5
    copy = copied(path, tmp_path / "copy.img", ranges)
    assert run("sfdisk", "--dump", copy).replace("copy.img", "disk.img") == run("sfdisk", "--dump", path)
    for number, (start, size) in places.items():
        part = part_of(copy, tmp_path / f"copy-{number}", start, size)
        original = part_of(path, tmp_path / f"original-{number}", start, size)
        if number == 1:
            assert fat_problems(part) == ""
            assert fat_files(part, tmp_path / "fat") == contents(tmp_path / "files")
            continue
        assert ext_problems(part) == ""
        found, wanted = part.read_bytes(), original.read_bytes()
        for grain in used_grains_of_ext(original):
            place = slice(grain * GRAIN, (grain + 1) * GRAIN)
            assert found[place] == wanted[place]
    assert sum(end - start for start, end in ranges) < 70 * MIB


def test_partitions_that_are_not_aligned_to_grains_share_them_safely(tmp_path: Path) -> None:
    path = partitioned(
        tmp_path / "disk.img",
        64 * MIB,
        "label: dos\nstart=2049, size=40001, type=83\nstart=42050, size=60001, type=83\n",
    )
    for number, (start, size) in enumerate(((2049, 40001), (42050, 60001))):
        placed(path, ext(tmp_path / f"{number}", size * 512 // 4096 * 4096, files(tmp_path)), start * 512)
    copy = copied(path, tmp_path / "copy.img", of_file(path).needed(0, 64 * MIB))
    for number, (start, size) in enumerate(((2049, 40001), (42050, 60001))):
        length = size * 512 // 4096 * 4096
        assert ext_problems(part_of(copy, tmp_path / f"copy-{number}", start * 512, length)) == ""
    assert grains(streamed(path)[1]) == all_of(of_file(path), path)


def test_a_gpt_keeps_its_backup(tmp_path: Path) -> None:
    path = gpt(tmp_path / "disk.img", 64 * MIB, "--new=1:2048:+48M")
    placed(path, ext(tmp_path / "fs.img", 48 * MIB, files(tmp_path)), MIB)
    for options in ({}, {"mapped": [(0, 4096)]}):
        copy = copied(path, tmp_path / "copy.img", of_file(path, **options).needed(0, 64 * MIB))
        assert "No problems found" in run("sgdisk", "--verify", copy)
        assert ext_problems(part_of(copy, tmp_path / "part", MIB, 48 * MIB)) == ""


def test_partitions_that_overlap_are_written_whole(tmp_path: Path) -> None:
    path = partitioned(tmp_path / "disk.img", 64 * MIB, "label: dos\nstart=2048, size=65536, type=83\n")
    placed(path, ext(tmp_path / "fs.img", 32 * MIB, None), MIB)
    assert of_file(path).partitions[0].trimmed
    poke(path, 446 + 16, bytes.fromhex("00 000000 83 000000") + (40000).to_bytes(4, "little") + b"\0\x40\0\0")
    assert "overlap" in reason(path)


def overlapping_logical_partitions(folder: Path) -> Path:
    """The second one lies in the middle of the first, whose free blocks hold its content."""
    path = blank(folder / "disk.img", 64 * MIB)
    poke(path, 0, mbr((0x05, 2048, 60 * 2048)))
    poke(path, MIB, mbr((0x83, 3 * 2048, 40 * 2048), (0x05, 2048, 2048)))
    poke(path, 2 * MIB, mbr((0x83, 20 * 2048, 30 * 2048)))
    placed(path, ext(folder / "fs.img", 40 * MIB, None, "-b", "1024"), 4 * MIB)
    return path


def test_a_logical_partition_that_turns_out_to_overlap_is_written_whole(tmp_path: Path) -> None:
    assert "overlap" in reason(overlapping_logical_partitions(tmp_path), 5)


def test_an_empty_partition_that_turns_out_to_overlap_is_written_whole(tmp_path: Path) -> None:
    path = overlapping_logical_partitions(tmp_path)
    poke(path, 4 * MIB, bytes(MIB))
    holes = [(5 * MIB, 64 * MIB)]
    assert all_of(of_file(path, holes=holes), path) == set(range(64 * MIB // GRAIN))


def nested(path: Path) -> Path:
    """The file system that was there is left below a table of partitions inside the partition."""
    run("sfdisk", "--quiet", "--wipe", "never", path, stdin="label: dos\nstart=2048, type=83\n")
    disk = partitioned(path.with_suffix(".disk"), 40 * MIB, "label: dos\nstart=2048, type=83\n")
    placed(disk, path, MIB)
    return disk


def test_partitions_inside_a_partition_make_it_uncertain(tmp_path: Path) -> None:
    for inner in (ext(tmp_path / "ext", 32 * MIB, None), fat(tmp_path / "fat", 32 * MIB, None)):
        assert "a partition table" in reason(nested(inner))


@pytest.mark.parametrize(
    ("place", "data"),
    [
        (512, b"LABELONE"),
        (16384, bytes.fromhex("01010000 00000000 00000001 00000024 00000020 00000007") + b"version\0"),
        (0, b"LUKS\xba\xbe\0\1"),
        (0, b"hsqs"),
        (65536 + 64, b"_BHRfS_M"),
        (4096, b"\xfc\x4e\x2b\xa9"),
    ],
)
def test_a_second_signature_makes_it_uncertain(place: int, data: bytes, tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", 16 * MIB, None)
    poke(path, place, data)
    assert "looks like" in reason(path)


# dm-verity, and other things that come late


def guarded(folder: Path, where: str) -> Path:
    path = partitioned(
        folder / "disk.img",
        64 * MIB,
        "label: dos\nstart=2048, size=65536, type=83\nstart=67584, size=8192, type=83\n",
    )
    placed(path, ext(folder / "fs.img", 24 * MIB, files(folder)), MIB)
    place = {"own": 33 * MIB, "behind": 25 * MIB, "footer": 33 * MIB - 64}[where]
    poke(path, place, b"AVBf" if where == "footer" else b"verity\0\0")
    return path


@pytest.mark.parametrize("where", ["own", "behind", "footer"])
def test_what_verity_guards_is_written_whole(where: str, tmp_path: Path) -> None:
    path = guarded(tmp_path, where)
    found = of_file(path)
    assert not any(area.trimmed for area in found.partitions)
    assert all_of(found, path) == set(range(64 * MIB // GRAIN))
    with pytest.raises(UsageContradicted):
        streamed(path)


def test_a_gpt_that_names_a_verity_partition(tmp_path: Path) -> None:
    path = gpt(
        tmp_path / "disk.img", 64 * MIB, "--new=1:2048:+32M", "--new=2:0:+8M", "--change-name=2:root-verity"
    )
    placed(path, ext(tmp_path / "fs.img", 32 * MIB, None), MIB)
    assert "verity" in reason(path)


# block maps and holes


def test_a_block_map_decides_where_no_file_system_does(tmp_path: Path) -> None:
    path = partitioned(
        tmp_path / "disk.img",
        64 * MIB,
        "label: dos\nstart=2048, size=65536, type=83\nstart=67584, size=32768, type=83\n",
    )
    placed(path, ext(tmp_path / "fs.img", 32 * MIB, files(tmp_path)), MIB)
    mapped = [(0, 4096), (40 * MIB, 41 * MIB)]
    plain, mapped_too = all_of(of_file(path), path), all_of(of_file(path, mapped=mapped), path)
    inside = set(range(MIB // GRAIN, 33 * MIB // GRAIN))
    assert mapped_too & inside == plain & inside
    assert mapped_too - inside == set(range(MIB // GRAIN)) | set(range(40 * MIB // GRAIN, 41 * MIB // GRAIN))


def test_holes_are_skipped_in_an_empty_partition_only(tmp_path: Path) -> None:
    path = partitioned(
        tmp_path / "disk.img",
        96 * MIB,
        "label: dos\nstart=2048, size=65536, type=83\nstart=67584, size=65536, type=83\n",
    )
    poke(path, 33 * MIB + 4096, b"something")
    holes = [(512, 33 * MIB), (33 * MIB + 8192, 96 * MIB)]
    found = all_of(of_file(path, holes=holes), path)
    assert set(range(96 * MIB // GRAIN)) - found == set(range(2 * MIB // GRAIN, 32 * MIB // GRAIN))


def test_holes_between_data_that_nobody_knows_are_written(tmp_path: Path) -> None:
    path = partitioned(tmp_path / "disk.img", 64 * MIB, "label: dos\nstart=2048, type=83\n")
    poke(path, 20 * MIB, b"something")
    holes = [(512, 20 * MIB), (20 * MIB + 4096, 64 * MIB)]
    assert all_of(of_file(path, holes=holes), path) == set(range(64 * MIB // GRAIN))


def test_a_sparse_and_a_dense_copy_use_the_same(tmp_path: Path) -> None:
    path, _ = disk(tmp_path)
    holes = [(start, end) for start, end in _zeros(path)]
    assert all_of(of_file(path, holes=holes), path) == all_of(of_file(path), path)


def _zeros(path: Path) -> list[tuple[int, int]]:
    data = path.read_bytes()
    blocks = range(0, len(data), 4096)
    return [(place, place + 4096) for place in blocks if not any(data[place : place + 4096])]


# anything at all


def test_everything_is_everything() -> None:
    assert Everything().needed(3, 9) == [(3, 9)]
    assert Everything().needed(3, 3) == []


@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 200_000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6
    )
)
def test_damage_never_ends_in_anything_but_an_answer(
    changes: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name in ("damaged-ext.img", "damaged-fat.img"):
        original = folder / f"sound-{name}"
        if not original.exists():
            maker = ext if "ext" in name else fat
            maker(original, 8 * MIB, files(folder))
        path = folder / name
        path.write_bytes(original.read_bytes())
        for place, data in changes:
            poke(path, place, data)
        found = all_of(of_file(path), path)
        assert set(range(MIB // GRAIN)) <= found
        try:
            assert grains(streamed(path)[1]) >= set(range(MIB // GRAIN))
        except UsageContradicted:
            continue


def test_an_image_without_a_table_or_file_system_is_needed_whole(tmp_path: Path) -> None:
    path = blank(tmp_path / "none.img", 8 * MIB)
    assert all_of(of_file(path), path) == set(range(8 * MIB // GRAIN))
    assert grains(streamed(path)[1]) == set(range(8 * MIB // GRAIN))

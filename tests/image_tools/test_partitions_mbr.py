"""MBR tables and chains of logical partitions, compared with what sfdisk says of the same image."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.disk_images import MIB, Row, blank, partitioned, poke, resin_image, run, set_slot, sfdisk_rows

from image_tools.partitions import PartitionTable, Scheme, read_table
from resin_toolkit.errors import ImageDamaged, NotAnImage, PartitionNotFound

SIGNATURE = b"\x55\xaa"


def table_of(path: Path, *, tolerant: bool = False) -> PartitionTable:
    with path.open("rb") as file:
        return read_table(file, tolerant=tolerant)


def rows(table: PartitionTable) -> list[Row]:
    return [Row(p.number, p.start, p.size, p.type_code, p.name, p.bootable) for p in table.partitions]


def codes(table: PartitionTable) -> list[str]:
    return [notice.code for notice in table.notices]


def chained(path: Path, size: int, logicals: int, *, sectors: int = 64) -> Path:
    """An image with one extended partition that holds `logicals` partitions."""
    lines = ["label: dos", f"start=2048, size={size // 512 - 2048}, type=5"]
    step = 2048
    lines += [f"start={2048 + 63 + step * n}, size={sectors}, type=83" for n in range(logicals)]
    return partitioned(path, size, "\n".join(lines))


def chain(path: Path, links: int) -> Path:
    """A chain of tables written by hand, one every 2048 sectors, each with a partition of 64 sectors."""
    first = 2048
    blank(path, (first + 2048 * (links + 1)) * 512)
    set_slot(path, 0, 0, 0x0F, first, 2048 * links + 1024)
    poke(path, 510, SIGNATURE)
    for number in range(links):
        here = first + 2048 * number
        set_slot(path, here, 0, 0x83, 64, 64)
        if number + 1 < links:
            set_slot(path, here, 1, 0x05, 2048 * (number + 1), 2048)
        poke(path, here * 512 + 510, SIGNATURE)
    return path


def test_the_layout_of_the_mission(tmp_path: Path) -> None:
    image = resin_image(tmp_path / "image")
    table = table_of(image)
    assert rows(table) == sfdisk_rows(image)
    assert (table.scheme, table.sector_size, table.size) == (Scheme.MBR, 512, 100 * MIB)
    assert [p.number for p in table.partitions if p.is_extended] == [4]
    assert [p.number for p in table.partitions if p.is_logical] == [5, 6]
    assert table.notices == ()


def test_numbers_keep_to_their_slots(tmp_path: Path) -> None:
    image = partitioned(
        tmp_path / "image", 8 * MIB, "label: dos\n2: start=2048, size=64\n4: start=4096, size=64, type=c\n"
    )
    table = table_of(image)
    assert [p.number for p in table.partitions] == [2, 4]
    assert rows(table) == sfdisk_rows(image)
    assert table.partition(4).start == 4096 * 512
    with pytest.raises(PartitionNotFound):
        table.partition(1)


def test_a_table_out_of_order(tmp_path: Path) -> None:
    image = partitioned(
        tmp_path / "image",
        8 * MIB,
        "label: dos\nstart=8192, size=64\nstart=2048, size=6144, type=c, bootable\n",
    )
    assert rows(table_of(image)) == sfdisk_rows(image)


@pytest.mark.parametrize("kind", ["5", "f", "85"])
def test_each_kind_of_extended_partition(tmp_path: Path, kind: str) -> None:
    script = f"label: dos\nstart=2048, size=10240, type={kind}\nstart=4096, size=64, type=83\n"
    image = partitioned(tmp_path / "image", 8 * MIB, script)
    table = table_of(image)
    assert rows(table) == sfdisk_rows(image)
    assert [p.number for p in table.partitions] == [1, 5]


@pytest.mark.parametrize("logicals", [0, 1, 2, 56])
def test_a_chain_of_logical_partitions(tmp_path: Path, logicals: int) -> None:
    image = chained(tmp_path / "image", 128 * MIB, logicals)
    table = table_of(image)
    assert rows(table) == sfdisk_rows(image)
    assert len(table.partitions) == 1 + logicals
    assert table.notices == ()


def test_a_chain_longer_than_sfdisk_reads(tmp_path: Path) -> None:
    table = table_of(chain(tmp_path / "image", 200))
    logical = [p for p in table.partitions if p.is_logical]
    assert [p.number for p in logical] == list(range(5, 205))
    assert [p.start for p in logical] == [(2048 + 2048 * n + 64) * 512 for n in range(200)]


def test_a_chain_without_end_is_damage(tmp_path: Path) -> None:
    with pytest.raises(ImageDamaged, match="more than 256"):
        table_of(chain(tmp_path / "image", 300))


def test_logical_partitions_out_of_order_keep_the_order_of_the_chain(tmp_path: Path) -> None:
    image = chain(tmp_path / "image", 3)
    # The first table leads to the third, that to the second.
    set_slot(image, 2048, 1, 0x05, 4096, 2048)
    set_slot(image, 2048 + 4096, 1, 0x05, 2048, 2048)
    set_slot(image, 2048 + 2048, 1, 0, 0, 0)
    table = table_of(image)
    assert rows(table) == sfdisk_rows(image)
    assert [p.start // 512 for p in table.partitions if p.is_logical] == [2112, 6208, 4160]


def test_two_extended_partitions_are_numbered_on(tmp_path: Path) -> None:
    image = blank(tmp_path / "image", 16 * MIB)
    set_slot(image, 0, 0, 0x05, 2048, 4096)
    set_slot(image, 0, 2, 0x0F, 8192, 4096)
    for table in (2048, 8192):
        set_slot(image, table, 0, 0x83, 64, 64)
        poke(image, table * 512 + 510, SIGNATURE)
    poke(image, 510, SIGNATURE)
    starts = {p.number: p.start // 512 for p in table_of(image).partitions}
    assert starts == {1: 2048, 3: 8192, 5: 2112, 6: 8256}


def test_what_lies_by_accident_in_the_upper_slots_is_no_partition(tmp_path: Path) -> None:
    image = chained(tmp_path / "image", 16 * MIB, 2)
    set_slot(image, 2048, 2, 0x83, 0x70000000, 0x1000)
    assert [p.number for p in table_of(image).partitions] == [1, 5, 6]


@pytest.mark.parametrize("target", [0, 1])
def test_a_loop_is_damage(tmp_path: Path, target: int) -> None:
    image = chain(tmp_path / "image", 3)
    set_slot(image, 2048 + 2 * 2048, 1, 0x05, 2048 * target, 2048)
    with pytest.raises(ImageDamaged, match="loops"):
        table_of(image)
    table = table_of(image, tolerant=True)
    assert [p.number for p in table.partitions] == [1, 5, 6, 7]
    assert codes(table) == ["extended-partition-damaged"]


def test_a_chain_that_leads_to_no_table_is_damage(tmp_path: Path) -> None:
    image = chain(tmp_path / "image", 3)
    poke(image, (2048 + 2048) * 512 + 510, b"\0\0")
    with pytest.raises(ImageDamaged, match="no table"):
        table_of(image)
    assert [p.number for p in table_of(image, tolerant=True).partitions] == [1, 5]


def test_a_chain_that_leads_out_of_the_extended_partition_is_damage(tmp_path: Path) -> None:
    image = chain(tmp_path / "image", 3)
    set_slot(image, 2048, 1, 0x05, 2048 * 3 + 1024, 2048)
    with pytest.raises(ImageDamaged, match="outside of it"):
        table_of(image)


def test_an_extended_partition_never_written_to_is_empty(tmp_path: Path) -> None:
    image = blank(tmp_path / "image", 4 * MIB)
    set_slot(image, 0, 0, 0x0F, 2048, 2048)
    poke(image, 510, SIGNATURE)
    assert [p.number for p in table_of(image).partitions] == [1]


@pytest.mark.parametrize(
    ("slot", "start", "count"),
    [(1, 90112 - 1, 16384), (2, 90112, 16384), (1, 8191, 2), (2, 122880 + 64, 64), (2, 40000, 1)],
)
def test_primary_partitions_that_overlap_are_damage(
    tmp_path: Path, slot: int, start: int, count: int
) -> None:
    image = resin_image(tmp_path / "image")
    set_slot(image, 0, slot, 0x83, start, count)
    with pytest.raises(ImageDamaged, match="overlap at byte"):
        table_of(image)
    table = table_of(image, tolerant=True)
    assert [p.number for p in table.partitions] == [1, 2, 3, 4, 5, 6]
    assert "partitions-overlap" in codes(table)


def test_partitions_that_touch_do_not_overlap(tmp_path: Path) -> None:
    image = partitioned(tmp_path / "image", 4 * MIB, "label: dos\nstart=1, size=63\nstart=64, size=64\n")
    assert len(table_of(image).partitions) == 2


def test_logical_partitions_that_overlap_are_damage(tmp_path: Path) -> None:
    image = chain(tmp_path / "image", 3)
    set_slot(image, 2048, 0, 0x83, 2048 + 80, 64)
    with pytest.raises(ImageDamaged, match="overlap at byte"):
        table_of(image)


def test_a_logical_partition_over_the_table_of_the_next_is_damage(tmp_path: Path) -> None:
    image = chain(tmp_path / "image", 3)
    set_slot(image, 2048, 0, 0x83, 64, 2048)
    with pytest.raises(ImageDamaged, match="the table at byte"):
        table_of(image)


def test_a_logical_partition_outside_its_extended_one_is_damage(tmp_path: Path) -> None:
    image = chain(tmp_path / "image", 3)
    set_slot(image, 2048 + 2 * 2048, 0, 0x83, 64, 4096)
    with pytest.raises(ImageDamaged, match="does not lie inside"):
        table_of(image)


def test_a_partition_over_the_table_itself_is_damage(tmp_path: Path) -> None:
    image = blank(tmp_path / "image", 4 * MIB)
    set_slot(image, 0, 0, 0x83, 0, 4096)
    poke(image, 510, SIGNATURE)
    with pytest.raises(ImageDamaged, match="the table"):
        table_of(image)


def test_a_truncated_image_is_told(tmp_path: Path) -> None:
    image = resin_image(tmp_path / "image")
    with image.open("r+b") as file:
        file.truncate(135000 * 512)
    table = table_of(image)
    assert [p.number for p in table.partitions] == [1, 2, 3, 4, 5]
    assert codes(table) == ["logical-partitions-cut-off", "partition-past-end"]
    assert "4, 5" in table.notices[1].message


def test_a_truncated_image_of_which_all_tables_are_there(tmp_path: Path) -> None:
    image = resin_image(tmp_path / "image")
    whole = table_of(image).partitions
    with image.open("r+b") as file:
        file.truncate(156000 * 512)
    table = table_of(image)
    assert table.partitions == whole
    assert codes(table) == ["partition-past-end"]


def test_the_size_can_be_given(tmp_path: Path) -> None:
    image = resin_image(tmp_path / "image")
    with image.open("rb") as file:
        table = read_table(file, 50 * MIB)
    assert table.size == 50 * MIB
    assert [p.number for p in table.partitions] == [1, 2, 3, 4]
    assert codes(table) == ["logical-partitions-cut-off", "partition-past-end"]


def test_boot_code_is_no_file_system(tmp_path: Path) -> None:
    """A boot loader that begins as a FAT does, with what a FAT's parameters could be, before a true table."""
    fat = blank(tmp_path / "fat", 16 * MIB)
    run("mkfs.fat", "-F", "16", fat)
    image = resin_image(tmp_path / "image")
    poke(image, 0, fat.read_bytes()[:440])
    assert rows(table_of(image)) == sfdisk_rows(image)


def test_an_empty_table_has_no_partitions(tmp_path: Path) -> None:
    table = table_of(partitioned(tmp_path / "image", 4 * MIB, "label: dos\n"))
    assert (table.scheme, table.partitions) == (Scheme.MBR, ())


def test_a_boot_sector_with_program_text_for_a_table_is_no_table(tmp_path: Path) -> None:
    image = blank(tmp_path / "image", 4 * MIB)
    poke(image, 0, bytes(range(1, 256)) * 2 + SIGNATURE)
    poke(image, 510, SIGNATURE)
    with pytest.raises(NotAnImage):
        table_of(image)


def test_an_old_gpt_under_an_mbr_does_not_count(tmp_path: Path) -> None:
    image = blank(tmp_path / "image", 8 * MIB)
    run("sgdisk", "--clear", "--new=1:2048:4095", image)
    poke(image, 446, bytes(64))
    set_slot(image, 0, 0, 0x0C, 4096, 2048)
    table = table_of(image)
    assert (table.scheme, [p.start for p in table.partitions]) == (Scheme.MBR, [4096 * 512])

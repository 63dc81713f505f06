"""GPTs made by sgdisk, sfdisk and fdisk, sound, damaged and hybrid."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from functools import cache
from pathlib import Path

import pytest
from support.disk_images import MIB, Row, blank, gpt, peek, poke, run, set_slot, sfdisk_rows, sign_gpt

from image_tools.partitions import PartitionTable, Scheme, read_table
from resin_toolkit.errors import ImageDamaged

NAMES = ("resin-boot", "resin-rootA", "resin-rootB", "resin-state", "resin-data", "Größe 😀")
BACKUP = 32 * MIB - 512
HEADER = {
    "header_size": (12, "<I"),
    "alternate": (32, "<Q"),
    "first_usable": (40, "<Q"),
    "last_usable": (48, "<Q"),
    "entries": (72, "<Q"),
    "count": (80, "<I"),
    "entry_size": (84, "<I"),
}


class CountedReads(io.BytesIO):
    """A file in memory that adds up how much is read of it."""

    amount = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.amount += len(data)
        return data


@cache
def tables() -> tuple[bytes, bytes]:
    """The start and the end of the image that most tests use; sgdisk waits a second after each write."""
    numbers = (1, 2, 3, 12, 5, 6)
    options = [f"--new={n}:{2048 * (i + 1)}:+1M" for i, n in enumerate(numbers)]
    options += [f"--change-name={n}:{name}" for n, name in zip(numbers, NAMES, strict=True)]
    options += ["--typecode=1:0700", "--attributes=12:set:2"]
    with tempfile.TemporaryDirectory() as folder:
        image = gpt(Path(folder, "image"), 32 * MIB, *options)
        return peek(image, 0, MIB), peek(image, 31 * MIB, MIB)


def image_of(path: Path) -> Path:
    """32 MiB with six partitions of 1 MiB, the fourth numbered 12."""
    start, end = tables()
    blank(path, 32 * MIB)
    poke(path, 0, start)
    poke(path, 31 * MIB, end)
    return path


def table_of(path: Path, *, tolerant: bool = False) -> PartitionTable:
    with path.open("rb") as file:
        return read_table(file, tolerant=tolerant)


def rows(table: PartitionTable) -> list[Row]:
    return [Row(p.number, p.start, p.size, p.type_code, p.name, p.bootable) for p in table.partitions]


def codes(table: PartitionTable) -> list[str]:
    return [notice.code for notice in table.notices]


def set_header(path: Path, field: str, value: int, *, at: int = 512) -> None:
    """Change a field of a header, and its checksums with it."""
    position, form = HEADER[field]
    poke(path, at + position, struct.pack(form, value))
    sign_gpt(path, at)


def spoil(path: Path, position: int) -> None:
    poke(path, position, bytes([peek(path, position, 1)[0] ^ 0x40]))


def test_names_numbers_types_and_attributes(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    table = table_of(image)
    assert rows(table) == sfdisk_rows(image)
    assert (table.scheme, table.sector_size, table.size) == (Scheme.GPT, 512, 32 * MIB)
    assert tuple(p.name for p in sorted(table.partitions, key=lambda p: p.start)) == NAMES
    assert [p.number for p in table.partitions if p.bootable] == [12]
    assert table.notices == ()


def test_a_name_of_full_length(tmp_path: Path) -> None:
    image = gpt(tmp_path / "image", 8 * MIB, "--new=1:2048:+1M", f"--change-name=1:{'x' * 36}")
    assert [p.name for p in table_of(image).partitions] == ["x" * 36]


def test_sectors_of_4096_bytes(tmp_path: Path) -> None:
    image = blank(tmp_path / "image", 64 * MIB)
    script = "g\nn\n1\n\n+4M\nn\n7\n\n+1M\nx\nn\n1\nresin-boot\nr\nw\n"
    run("fdisk", "--sector-size", "4096", image, stdin=script)
    listing = run("fdisk", "--sector-size", "4096", "--list", "--output", "Device,Start,Sectors", image)
    lines = [line.split() for line in listing.splitlines() if line.startswith(str(image))]
    told = [" ".join([device.removeprefix(str(image)), start, count]) for device, start, count in lines]
    table = table_of(image)
    found = [f"{p.number} {p.start // 4096} {p.size // 4096}" for p in table.partitions]
    assert found == told
    assert (table.sector_size, table.partitions[0].name, table.notices) == (4096, "resin-boot", ())
    spoil(image, 4096 + 60)
    again = table_of(image)
    assert again.partitions == table.partitions
    assert codes(again) == ["gpt-primary-damaged"]


@pytest.mark.parametrize("place", [512, 512 + 20, 512 + 56, 512 + 91, 1024, 1024 + 40, 1024 + 127 * 128])
def test_a_damaged_primary_is_replaced_by_its_backup(tmp_path: Path, place: int) -> None:
    image = image_of(tmp_path / "image")
    whole = table_of(image)
    spoil(image, place)
    table = table_of(image)
    assert table.partitions == whole.partitions
    assert codes(table) == ["gpt-primary-damaged"]


def test_the_backups_header_in_the_primarys_place(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    whole = table_of(image)
    poke(image, 512, peek(image, BACKUP, 512))
    table = table_of(image)
    assert table.partitions == whole.partitions
    assert "says that it is at sector" in table.notices[0].message


@pytest.mark.parametrize("place", [BACKUP, BACKUP + 56, BACKUP - 32 * 512, BACKUP - 1])
def test_a_damaged_backup_is_told(tmp_path: Path, place: int) -> None:
    image = image_of(tmp_path / "image")
    whole = table_of(image)
    spoil(image, place)
    table = table_of(image)
    assert table.partitions == whole.partitions
    assert codes(table) == ["gpt-backup-damaged"]


@pytest.mark.parametrize("primary", [512 + 56, 1024])
@pytest.mark.parametrize("backup", [BACKUP + 56, BACKUP - 32 * 512])
def test_both_damaged_is_damage_even_for_the_tolerant(tmp_path: Path, primary: int, backup: int) -> None:
    image = image_of(tmp_path / "image")
    spoil(image, primary)
    spoil(image, backup)
    for tolerant in (False, True):
        with pytest.raises(ImageDamaged, match="checksum"):
            table_of(image, tolerant=tolerant)


def test_a_protective_mbr_alone_is_damage(tmp_path: Path) -> None:
    image = blank(tmp_path / "image", 4 * MIB)
    set_slot(image, 0, 0, 0xEE, 1, 8191)
    poke(image, 510, b"\x55\xaa")
    with pytest.raises(ImageDamaged, match="no header"):
        table_of(image)


def test_a_small_image_on_a_large_card(tmp_path: Path) -> None:
    """The backup lies where the image ended; also when the primary is bad."""
    image = image_of(tmp_path / "image")
    whole = table_of(image).partitions
    with image.open("r+b") as file:
        file.truncate(100 * MIB)
    assert table_of(image).notices == ()
    spoil(image, 1024)
    table = table_of(image)
    assert table.partitions == whole
    assert codes(table) == ["gpt-primary-damaged"]


def test_the_backup_of_the_image_wins_over_an_older_one_at_the_cards_end(tmp_path: Path) -> None:
    card = gpt(tmp_path / "card", 100 * MIB, "--new=1:60000:+1M", "--change-name=1:stale")
    image = image_of(tmp_path / "image")
    poke(card, 0, image.read_bytes())
    spoil(card, 1024)
    assert table_of(card).partitions == table_of(image).partitions


def test_a_truncated_image(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    whole = table_of(image).partitions
    with image.open("r+b") as file:
        file.truncate(6 * MIB)
    table = table_of(image)
    assert table.partitions == whole
    assert codes(table) == ["gpt-backup-damaged", "partition-past-end"]
    with image.open("r+b") as file:
        file.truncate(8192)
    with pytest.raises(ImageDamaged, match="ends before its entries"):
        table_of(image)


@pytest.mark.parametrize("size", [128, 256, 512, 4096])
def test_larger_entries(tmp_path: Path, size: int) -> None:
    """128 times a power of two, as the specification allows; no tool at hand makes others than 128."""
    image = image_of(tmp_path / "image")
    whole = table_of(image).partitions
    entries = peek(image, 1024, 128 * 128)
    spread = b"".join(entries[i : i + 128].ljust(size, b"\xaa") for i in range(0, 12 * 128, 128))
    place = 20 * MIB
    poke(image, place, spread)
    for field, value in (("entries", place // 512), ("count", 12), ("entry_size", size)):
        set_header(image, field, value)
    table = table_of(image)
    assert table.partitions == whole
    assert table.notices == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("entry_size", value) for value in (0, 64, 192, 1 << 31)),
        *(("count", value) for value in (1 << 20, 0xFFFFFFFF)),
        *(("entries", value) for value in (1 << 63, (1 << 64) - 1)),
        *(("header_size", value) for value in (0, 20, 4096, 0xFFFFFFFF)),
    ],
)
def test_a_header_that_cannot_be_meant(tmp_path: Path, field: str, value: int) -> None:
    """The checksums are right, the value is not: the backup is used, and no memory is lost to it."""
    image = image_of(tmp_path / "image")
    whole = table_of(image).partitions
    set_header(image, field, value)
    counted = CountedReads(image.read_bytes())
    table = read_table(counted)
    assert table.partitions == whole
    assert codes(table) == ["gpt-primary-damaged"]
    assert counted.amount < MIB


def test_many_entries(tmp_path: Path) -> None:
    image = gpt(tmp_path / "image", 64 * MIB, "--resize-table=4096", "--new=1:4096:+1M", "--new=4000:0:+1M")
    table = table_of(image)
    assert rows(table) == sfdisk_rows(image)
    assert [p.number for p in table.partitions] == [1, 4000]


def set_partition(path: Path, number: int, first: int, last: int) -> None:
    poke(path, 1024 + (number - 1) * 128 + 32, struct.pack("<QQ", first, last))
    sign_gpt(path, 512)


@pytest.mark.parametrize(
    ("first", "last"), [(2048 * 4, 2048 * 5), (1, 40000), (33, 40), (2048 * 6 - 1, 2048 * 7)]
)
def test_partitions_that_overlap_are_damage(tmp_path: Path, first: int, last: int) -> None:
    image = image_of(tmp_path / "image")
    set_partition(image, 6, first, last)
    with pytest.raises(ImageDamaged, match="overlap at byte"):
        table_of(image)
    assert 6 in [p.number for p in table_of(image, tolerant=True).partitions]


def test_a_partition_that_ends_before_it_begins_is_damage(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    set_partition(image, 6, 30000, 29999)
    with pytest.raises(ImageDamaged, match="partition 6 begins"):
        table_of(image)
    table = table_of(image, tolerant=True)
    assert codes(table) == ["gpt-partition-damaged"]
    assert [p.number for p in table.partitions] == [1, 2, 3, 5, 12]


def test_a_partition_beyond_all_disks(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    set_partition(image, 6, 1 << 62, (1 << 64) - 1)
    assert codes(table_of(image)) == ["gpt-partition-outside", "partition-past-end"]


def test_a_hybrid_mbr(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    whole = table_of(image).partitions
    run("sgdisk", "--hybrid=1:2", image)
    table = table_of(image)
    assert (table.scheme, table.partitions) == (Scheme.HYBRID, whole)
    assert codes(table) == ["hybrid-mbr"]


def test_a_hybrid_mbr_whose_protective_entry_is_not_the_first(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    set_slot(image, 0, 0, 0x0C, 2048, 2048)
    set_slot(image, 0, 3, 0xEE, 1, 2047)
    assert table_of(image).scheme is Scheme.HYBRID


def test_a_missing_protective_mbr_is_told(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    whole = table_of(image).partitions
    poke(image, 0, bytes(512))
    table = table_of(image)
    assert table.partitions == whole
    assert codes(table) == ["protective-mbr-missing"]


def test_the_signer_of_these_tests_is_right(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    before = image.read_bytes()
    sign_gpt(image, 512)
    assert image.read_bytes() == before
    assert zlib.crc32(before[1024 : 1024 + 128 * 128]) == struct.unpack_from("<I", before, 512 + 88)[0]

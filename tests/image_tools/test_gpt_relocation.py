"""A GPT image on a larger drive, judged by sgdisk and fdisk."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest
from support.disk_images import MIB, gpt, peek, poke, run
from support.flash_runs import content, to_drive, to_file
from support.loop_devices import blank_loop

from image_tools.flash import compare
from image_tools.partitions import read_table
from image_tools.source import open_source
from resin_toolkit.errors import VerifyFailed
from resin_toolkit.progress import SilentProgress

SIZE = 8 * MIB
BACKUP = 33 * 512
"""How much of the image's end its own backup takes."""


def gpt_image(folder: Path) -> Path:
    path = gpt(folder / "image.img", SIZE, "--new=1:2048:+2M", "--change-name=1:boot", "--new=2:8192:+2M")
    poke(path, MIB + 5, b"in the first partition")
    return path


def verdict(device: str) -> str:
    return run("sgdisk", "--verify", device)


def assert_sound(device: str) -> None:
    told = verdict(device)
    assert "No problems found" in told, told


@pytest.mark.root
@pytest.mark.parametrize("size", [SIZE + 512, SIZE + MIB, 40 * MIB])
@pytest.mark.parametrize("full", [False, True])
def test_the_backup_moves_to_the_end_of_the_drive(size: int, full: bool, tmp_path: Path) -> None:
    image = gpt_image(tmp_path)
    with blank_loop(tmp_path, size) as device:
        done = to_drive(str(image), device, full=full)
        assert done.verified
        assert_sound(device)
        found = content(device, size)
        rows = run("sgdisk", "--print", device)
    assert "boot" in rows
    # All else is the image's: only the two headers, the protective record and the backup differ.
    before = image.read_bytes()
    assert found[1024 : SIZE - BACKUP] == before[1024 : SIZE - BACKUP]
    assert found[:446] == before[:446]


@pytest.mark.root
def test_a_drive_of_the_images_size_keeps_every_byte(tmp_path: Path) -> None:
    image = gpt_image(tmp_path)
    with blank_loop(tmp_path, SIZE) as device:
        to_drive(str(image), device)
        assert content(device, SIZE) == image.read_bytes()
        assert_sound(device)


@pytest.mark.root
def test_a_stale_backup_at_the_end_of_the_drive_is_wiped(tmp_path: Path) -> None:
    """An MBR image over a card that had a GPT: its backup must not come back."""
    image = tmp_path / "mbr.img"
    image.write_bytes(bytes(SIZE))
    run("sfdisk", "--quiet", image, stdin="label: dos\nstart=2048, size=4096, type=83\n")
    with blank_loop(tmp_path, 20 * MIB) as device:
        run("sgdisk", "--clear", "--new=1:2048:+1M", device)
        assert content(device, 20 * MIB)[-512:-504] == b"EFI PART"
        to_drive(str(image), device)
        assert not any(content(device, 20 * MIB)[-BACKUP:])


@pytest.mark.root
def test_the_gpt_of_4096_byte_sectors_moves_too(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with blank_loop(tmp_path / "made", SIZE, sector=4096) as device:
        run("sgdisk", "--clear", "--set-alignment=1", "--new=1:256:+2M", device)
    image = tmp_path / "made" / "device.img"
    with blank_loop(tmp_path, 20 * MIB, sector=4096) as device:
        to_drive(str(image), device)
        assert_sound(device)


@pytest.mark.root
def test_a_gpt_of_other_sectors_is_told_of(tmp_path: Path) -> None:
    image = gpt_image(tmp_path)
    with blank_loop(tmp_path, 20 * MIB, sector=4096) as device:
        done = to_drive(str(image), device)
    [told] = [n.message for n in done.target.notices if n.code == "other-sector-size"]
    assert re.search(r"512-byte .* 4096-byte", told)


@pytest.mark.root
def test_a_primary_header_that_is_not_sound_is_left_as_it_is(tmp_path: Path) -> None:
    image = gpt_image(tmp_path)
    header = bytearray(peek(image, 512, 512))
    header[56] ^= 1
    poke(image, 512, bytes(header))
    with blank_loop(tmp_path, 20 * MIB) as device:
        to_drive(str(image), device)
        assert content(device, SIZE) == image.read_bytes()


@pytest.mark.root
def test_a_table_that_is_itself_beyond_the_drive_changes_nothing_outside(tmp_path: Path) -> None:
    """A header whose usable area ends behind the place of the new backup is not touched."""
    image = gpt_image(tmp_path)
    header = bytearray(peek(image, 512, 512))
    struct.pack_into("<Q", header, 48, 1 << 40)
    struct.pack_into("<I", header, 16, 0)
    struct.pack_into("<I", header, 16, zlib.crc32(bytes(header[:92])))
    poke(image, 512, bytes(header))
    with blank_loop(tmp_path, 20 * MIB) as device:
        to_drive(str(image), device)
        assert content(device, 1024)[512:] == bytes(header)


def test_a_file_gets_the_image_as_it_is(tmp_path: Path) -> None:
    image = gpt_image(tmp_path)
    to_file(str(image), tmp_path / "card.img")
    assert (tmp_path / "card.img").read_bytes() == image.read_bytes()


@pytest.mark.root
def test_compared_both_places_of_the_backup_are_right(tmp_path: Path) -> None:
    image = gpt_image(tmp_path)
    with blank_loop(tmp_path, 20 * MIB) as device:
        to_drive(str(image), device)
        with open_source(str(image)) as source:
            compare(source, device, SilentProgress())
        run("dd", f"if={image}", f"of={device}", "bs=1M", "conv=fsync")
        with open_source(str(image)) as source:
            compare(source, device, SilentProgress())
        # But half of each is not.
        to_drive(str(image), device)
        poke(Path(device), 512, image.read_bytes()[512:1024])
        with open_source(str(image)) as source, pytest.raises(VerifyFailed):
            compare(source, device, SilentProgress())


@pytest.mark.root
def test_the_moved_table_reads_the_same(tmp_path: Path) -> None:
    image = gpt_image(tmp_path)
    with blank_loop(tmp_path, 20 * MIB) as device:
        to_drive(str(image), device)
        with Path(device).open("rb") as one, image.open("rb") as other:
            tables = [read_table(file) for file in (one, other)]
    assert tables[0].partitions == tables[1].partitions

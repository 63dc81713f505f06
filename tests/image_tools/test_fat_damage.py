"""Damaged file systems: an error before anything is written, no hang, and what must stay as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.fat_damages import CHANGES, CONTENT, DAMAGE, FOLDER, UNREADABLE, enter_itself, sound_fat  # noqa: F401 - fixtures
from support.fat_editing import apply, layout_of
from support.fat_images import FatImage, complaints
from support.fat_layout import END_OF_CHAIN, Layout

from image_tools.fat import FatFileSystem, MakeDirectory, Put, Remove
from resin_toolkit.errors import FileSystemDamaged

# damage by hand


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_an_error_before_anything_is_written(
    image: FatImage, damage: Callable[[Layout], None]
) -> None:
    damage(layout_of(image))
    assert complaints(image), "fsck.fat sees it as well"
    before = image.digest()
    for changes in CHANGES:
        with pytest.raises(FileSystemDamaged) as caught:
            apply(image, *changes)
        assert caught.value.message
        assert caught.value.hint
    with image.path.open("rb") as file, pytest.raises(FileSystemDamaged):
        FatFileSystem.open(file, image.offset, image.size).check()
    assert image.digest() == before


@pytest.mark.parametrize("damage", UNREADABLE, ids=lambda damage: damage.__name__)
def test_a_damaged_file_is_not_read_in_part(image: FatImage, damage: Callable[[Layout], None]) -> None:
    damage(layout_of(image))
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        with pytest.raises(FileSystemDamaged):
            system.read("/a.txt")
        assert system.read("/c.txt") == CONTENT


def test_a_directory_inside_itself_does_not_hang_a_walk(image: FatImage) -> None:
    enter_itself(layout_of(image))
    with image.path.open("rb") as file, pytest.raises(FileSystemDamaged):
        list(FatFileSystem.open(file, image.offset, image.size).walk())


def test_a_sound_one_takes_the_same_changes(image: FatImage) -> None:
    for changes in CHANGES:
        apply(image, *changes)
    assert complaints(image) == []


# FATs that differ where nothing is


def test_second_fat_is_mended_where_no_directory_reaches(image: FatImage) -> None:
    layout = layout_of(image)
    free = layout.free()
    layout.set_entries({free[5]: END_OF_CHAIN[layout.bits], free[-1]: free[5]}, fats=(1,))
    system = apply(image, Put("/new.txt", b"new"))
    assert [notice.code for notice in system.notices] == ["fat-mended"]
    assert layout.fat(0) == layout.fat(1)
    assert complaints(image) == []


def test_second_fat_is_not_mended_from_a_first_one_without_media_byte(image: FatImage) -> None:
    layout = layout_of(image)
    layout.set_entries({0: 0}, fats=(0,))
    before = image.digest()
    with pytest.raises(FileSystemDamaged):
        apply(image, Put("/new.txt", b"new"))
    assert image.digest() == before


def test_reading_mends_nothing(image: FatImage) -> None:
    layout = layout_of(image)
    layout.set_entries({layout.free()[5]: END_OF_CHAIN[layout.bits]}, fats=(1,))
    before = image.digest()
    with image.path.open("r+b", buffering=0) as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        assert system.read("/a.txt") == CONTENT
        assert system.free_bytes() == len(layout.free()) * 512
    assert image.digest() == before


# what must stay as it was

DIRTY = (
    "Dirty bit is set.",
    "There are differences between boot sector and its backup.",
    "This is mostly harmless.",
)


@pytest.mark.parametrize("where", ["state byte", "table", "error bit"])
def test_dirty_bit_is_a_notice_and_stays(image: FatImage, where: str) -> None:
    layout = layout_of(image)
    byte = layout.start + (65 if layout.bits == 32 else 37)
    if where == "state byte" or layout.bits == 12:
        layout.write_bytes(byte, b"\1")
    else:
        bit = {16: 15, 32: 27}[layout.bits] - (where == "error bit")
        layout.set_entries({1: END_OF_CHAIN[layout.bits] & ~(1 << bit)})
    state, entry = layout.read_bytes(byte, 1), [layout.entry(1, fat) for fat in (0, 1)]
    system = apply(image, Put("/new.txt", b"new"), Put("/a.txt", b""), Remove("/b.txt"))
    if where != "error bit":
        assert [notice.code for notice in system.notices] == ["fat-dirty"]
    assert layout.read_bytes(byte, 1) == state
    assert [layout.entry(1, fat) for fat in (0, 1)] == entry
    assert all(problem.startswith(DIRTY) for problem in complaints(image))


def test_a_clean_one_has_no_notice(image: FatImage) -> None:
    assert apply(image, Put("/new.txt", b"new")).notices == []


def test_what_is_not_touched_stays_byte_for_byte(image: FatImage) -> None:
    layout = layout_of(image)
    reserved = layout.fat_at - layout.start
    slots = {slot[:11]: slot for _, slot in layout.slots() if slot[0] not in (0, 0xE5)}
    boot = bytearray(layout.read_bytes(layout.start, reserved))
    kept = layout.read_bytes(layout.cluster_at(layout.first_cluster(b"C       TXT")), len(CONTENT))
    more = (Put("/SUB/new one.txt", b"y"), MakeDirectory("/d"))
    apply(image, Put("/a.txt", b"x" * 5000), Remove("/b.txt"), *more)
    after = bytearray(layout.read_bytes(layout.start, reserved))
    if layout.bits == 32:
        counts = slice(layout.info_at - layout.start + 488, layout.info_at - layout.start + 496)
        boot[counts] = after[counts] = bytes(8)
    assert after == boot
    found = {slot[:11]: slot for _, slot in layout.slots()}
    assert found.keys() - slots.keys(), "something was changed at all"
    names = (b"resin-boot ", b"RESIN-BOOT ", b"C       TXT", FOLDER)
    assert sum(name in slots for name in names) == 3
    assert all(found[name] == slots[name] for name in names if name in slots)
    assert layout.read_bytes(layout.cluster_at(layout.first_cluster(b"C       TXT")), len(CONTENT)) == kept

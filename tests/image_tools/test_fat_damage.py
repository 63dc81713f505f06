"""Damaged file systems: an error before anything is written, no hang, and nothing made worse."""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cut_file import RecordedFile
from fat_images import (
    FatImage,
    Geometry,
    complaints,
    make_directory_by_mtools,
    make_image,
    mtools_tree,
    put_by_mtools,
    scratch_folder,
)
from fat_layout import BAD, END_OF_CHAIN, Layout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from image_tools.fat import Change, FatFileSystem, MakeDirectory, Put, Remove
from resin_toolkit.errors import FileSystemDamaged, NotAnImage, ResinError

KINDS = {
    "fat12": Geometry(12, 512, 1.4, options=("-n", "resin-boot")),
    "fat16": Geometry(16, 512, 4.2, options=("-n", "RESIN-BOOT")),
    "fat32": Geometry(32, 512, 36, options=("-n", "resin-boot")),
}
FIRST = b"A       TXT"
SECOND = b"B       TXT"
FOLDER = b"SUB        "
CONTENT = b"content " * 180

CHANGES: list[list[Change]] = [
    [Put("/new.txt", b"new " * 300)],
    [Put("/a.txt", b"changed")],
    [Remove("/b.txt")],
    [MakeDirectory("/fresh")],
]


@pytest.fixture(params=KINDS)
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FatImage]:
    with scratch_folder(tmp_path) as folder:
        yield sound_image(folder / "image", KINDS[request.param])


def sound_image(path: Path, geometry: Geometry) -> FatImage:
    image = make_image(path, geometry)
    for name in ("A.TXT", "B.TXT", "C.TXT"):
        put_by_mtools(image, name, CONTENT)
    for name in ("SUB", "SUB/DEEP"):
        make_directory_by_mtools(image, name)
    put_by_mtools(image, "SUB/DEEP/a long name in here.txt", CONTENT)
    assert complaints(image) == []
    return image


def layout_of(image: FatImage) -> Layout:
    return Layout.read(image.path, image.offset)


def apply(image: FatImage, changes: list[Change]) -> FatFileSystem:
    with image.path.open("r+b", buffering=0) as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        system.apply(changes)
        return system


# damage by hand


def cross_link_chains(at: Layout) -> None:
    ours, theirs = at.chain(at.first_cluster(FIRST)), at.chain(at.first_cluster(SECOND))
    at.set_entries({ours[0]: theirs[1]})


def share_a_chain(at: Layout) -> None:
    slot = at.short_slot(SECOND)
    at.write_bytes(slot + 26, struct.pack("<H", at.first_cluster(FIRST)))


def loop_a_chain(at: Layout) -> None:
    chain = at.chain(at.first_cluster(FIRST))
    at.set_entries({chain[-1]: chain[0]})


def link_to_itself(at: Layout) -> None:
    first = at.first_cluster(FIRST)
    at.set_entries({first: first})


def run_out_of_range(at: Layout) -> None:
    at.set_entries({at.chain(at.first_cluster(FIRST))[1]: at.clusters + 2})


def run_into_cluster_one(at: Layout) -> None:
    at.set_entries({at.chain(at.first_cluster(FIRST))[1]: 1})


def begin_out_of_range(at: Layout) -> None:
    at.write_bytes(at.short_slot(FIRST) + 26, struct.pack("<H", 0xFFF0 if at.bits != 32 else 0))
    if at.bits == 32:
        at.write_bytes(at.short_slot(FIRST) + 20, struct.pack("<H", 0x0FF0))


def begin_at_cluster_one(at: Layout) -> None:
    at.write_bytes(at.short_slot(FIRST) + 26, struct.pack("<H", 1))


def meet_a_bad_cluster(at: Layout) -> None:
    at.set_entries({at.chain(at.first_cluster(FIRST))[1]: BAD[at.bits]})


def meet_a_free_cluster(at: Layout) -> None:
    at.set_entries({at.chain(at.first_cluster(FIRST))[1]: 0})


def end_in_a_bad_cluster(at: Layout) -> None:
    at.set_entries({at.chain(at.first_cluster(FIRST))[-1]: BAD[at.bits]})


def end_in_a_free_cluster(at: Layout) -> None:
    at.set_entries({at.chain(at.first_cluster(FIRST))[-1]: 0})


def be_longer_than_the_chain(at: Layout) -> None:
    at.write_bytes(at.short_slot(FIRST) + 28, struct.pack("<I", 512 * 3 + 1))


def have_no_chain(at: Layout) -> None:
    at.write_bytes(at.short_slot(FIRST) + 26, b"\0\0")
    at.write_bytes(at.short_slot(FIRST) + 20, b"\0\0")


def differ_where_a_file_begins(at: Layout) -> None:
    at.set_entries({at.first_cluster(FIRST): 0}, fats=(1,))


def differ_where_a_file_goes_on(at: Layout) -> None:
    at.set_entries({at.first_cluster(SECOND): END_OF_CHAIN[at.bits]}, fats=(1,))


def differ_where_a_directory_lies(at: Layout) -> None:
    at.set_entries({at.first_cluster(FOLDER): 0}, fats=(1,))


def enter_itself(at: Layout) -> None:
    """The directory SUB/DEEP begins where SUB does."""
    sub = at.first_cluster(FOLDER)
    at.write_bytes(at.cluster_at(sub) + 64 + 26, struct.pack("<H", sub))


def loop_a_directory(at: Layout) -> None:
    sub = at.first_cluster(FOLDER)
    at.set_entries({sub: sub})


def begin_a_directory_at_zero(at: Layout) -> None:
    at.write_bytes(at.short_slot(FOLDER) + 26, b"\0\0")


DAMAGE: list[Callable[[Layout], None]] = [
    cross_link_chains,
    share_a_chain,
    loop_a_chain,
    link_to_itself,
    run_out_of_range,
    run_into_cluster_one,
    begin_out_of_range,
    begin_at_cluster_one,
    meet_a_bad_cluster,
    meet_a_free_cluster,
    end_in_a_bad_cluster,
    end_in_a_free_cluster,
    be_longer_than_the_chain,
    have_no_chain,
    differ_where_a_file_begins,
    differ_where_a_file_goes_on,
    differ_where_a_directory_lies,
    enter_itself,
    loop_a_directory,
    begin_a_directory_at_zero,
]
UNREADABLE = DAMAGE[2:14]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_an_error_before_anything_is_written(
    image: FatImage, damage: Callable[[Layout], None]
) -> None:
    damage(layout_of(image))
    assert complaints(image), "fsck.fat sees it as well"
    before = image.digest()
    for changes in CHANGES:
        with pytest.raises(FileSystemDamaged) as caught:
            apply(image, changes)
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
        apply(image, changes)
    assert complaints(image) == []


# FATs that differ where nothing is


def test_second_fat_is_mended_where_no_directory_reaches(image: FatImage) -> None:
    layout = layout_of(image)
    free = layout.free()
    layout.set_entries({free[5]: END_OF_CHAIN[layout.bits], free[-1]: free[5]}, fats=(1,))
    system = apply(image, [Put("/new.txt", b"new")])
    assert [notice.code for notice in system.notices] == ["fat-mended"]
    assert layout.fat(0) == layout.fat(1)
    assert complaints(image) == []


def test_second_fat_is_not_mended_from_a_first_one_without_media_byte(image: FatImage) -> None:
    layout = layout_of(image)
    layout.set_entries({0: 0}, fats=(0,))
    before = image.digest()
    with pytest.raises(FileSystemDamaged):
        apply(image, [Put("/new.txt", b"new")])
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
    system = apply(image, [Put("/new.txt", b"new"), Put("/a.txt", b""), Remove("/b.txt")])
    if where != "error bit":
        assert [notice.code for notice in system.notices] == ["fat-dirty"]
    assert layout.read_bytes(byte, 1) == state
    assert [layout.entry(1, fat) for fat in (0, 1)] == entry
    assert all(problem.startswith(DIRTY) for problem in complaints(image))


def test_a_clean_one_has_no_notice(image: FatImage) -> None:
    assert apply(image, [Put("/new.txt", b"new")]).notices == []


def test_what_is_not_touched_stays_byte_for_byte(image: FatImage) -> None:
    layout = layout_of(image)
    reserved = layout.fat_at - layout.start
    slots = {slot[:11]: slot for _, slot in layout.slots() if slot[0] not in (0, 0xE5)}
    boot = bytearray(layout.read_bytes(layout.start, reserved))
    kept = layout.read_bytes(layout.cluster_at(layout.first_cluster(b"C       TXT")), len(CONTENT))
    apply(
        image,
        [Put("/a.txt", b"x" * 5000), Remove("/b.txt"), Put("/SUB/new one.txt", b"y"), MakeDirectory("/d")],
    )
    after = bytearray(layout.read_bytes(layout.start, reserved))
    if layout.bits == 32:
        counts = slice(layout.info_at - layout.start + 488, layout.info_at - layout.start + 496)
        boot[counts] = after[counts] = bytes(8)
    assert after == boot
    found = {slot[:11]: slot for _, slot in layout.slots()}
    names = (b"resin-boot ", b"RESIN-BOOT ", b"C       TXT", FOLDER)
    assert sum(name in slots for name in names) == 3
    assert all(found[name] == slots[name] for name in names if name in slots)
    assert layout.read_bytes(layout.cluster_at(layout.first_cluster(b"C       TXT")), len(CONTENT)) == kept


# a medium that fails


LEFT_BEHIND = ("Reclaimed ", "Free cluster summary wrong ")


class FailingFile(RecordedFile):
    """Its `good` first writes land; the one after them meets a bad medium."""

    def __init__(self, path: Path, good: int) -> None:
        super().__init__(path)
        self.good = good

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if len(self.writes) >= self.good:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().write(data)


def test_an_error_of_the_medium_is_passed_on_and_the_next_run_completes(image: FatImage) -> None:
    changes: list[Change] = [Put("/a.txt", b"changed " * 400), Put("/SUB/another long name.txt", b"new")]
    good = 0
    while True:
        copy = image.copy(image.path.with_name("copy"))
        with FailingFile(copy.path, good) as file:
            system = FatFileSystem.open(file, copy.offset, copy.size)
            try:
                system.apply(changes)
                break
            except OSError as error:
                seen = error.errno
            assert seen == errno.EIO
            file.good = 1_000_000
            system.apply(changes)
        assert all(problem.startswith(LEFT_BEHIND) for problem in complaints(copy))
        tree = mtools_tree(copy)
        assert (tree["A.TXT"], tree["SUB/another long name.txt"]) == (b"changed " * 400, b"new")
        good += 1
    assert good > 8


def test_a_file_opened_for_reading_is_an_os_error_and_stays(image: FatImage) -> None:
    before = image.digest()
    with (
        image.path.open("rb") as file,
        pytest.raises(OSError, match="write"),
    ):
        FatFileSystem.open(file, image.offset, image.size).apply([Put("/new.txt", b"new")])
    assert image.digest() == before


# nonsense


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 511, b"\0" * 4096, b"\xff" * 65536, b"\x55\xaa" * 2048, b"PK\3\4" + b"z" * 9000]
)
def test_what_is_no_file_system(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as file, pytest.raises(NotAnImage):
        FatFileSystem.open(file)


def test_a_truncated_image(image: FatImage) -> None:
    os.truncate(image.path, image.offset + image.size // 2)
    with image.path.open("rb") as file, pytest.raises(FileSystemDamaged):
        FatFileSystem.open(file, image.offset)


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes(kind: str, tmp_path: Path) -> None:
    """Whatever the bytes say: no error but ours, no hang; all or nothing is written, nothing gets worse.

    No slot's first byte becomes 0: by the specification that ends the directory, while fsck.fat reads on.
    """
    with scratch_folder(tmp_path) as folder:
        image = sound_image(folder / "image", KINDS[kind])
        layout = layout_of(image)
        root = layout.root_spans()[0][0]
        sub = layout.cluster_at(layout.first_cluster(FOLDER))
        regions = st.one_of(
            st.integers(layout.start, layout.start + 95),
            st.integers(layout.fat_at, layout.fat_at + 47),
            st.integers(layout.fat_at + layout.fat_size, layout.fat_at + layout.fat_size + 47),
            st.integers(root, root + 32 * 5),
            st.integers(sub, sub + 32 * 4),
            st.integers(layout.info_at, layout.info_at + 511)
            if layout.bits == 32
            else st.just(layout.start + 13),
        )
        outcomes: set[bool] = set()

        @settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(
            flips=st.lists(st.tuples(regions, st.integers(0, 255)), min_size=1, max_size=4),
            changes=st.sampled_from(CHANGES),
        )
        def flipped(flips: list[tuple[int, int]], changes: list[Change]) -> None:
            copy = image.copy(folder / "copy")
            for at, value in flips:
                if not value and any(
                    0 <= at - start < 512 and (at - start) % 32 == 0 for start in (root, sub)
                ):
                    continue
                Layout.write_bytes(layout_of_copy(layout, copy), at, bytes([value]))
            read_all(copy)
            before, digest = complaints(copy), copy.digest()
            try:
                apply(copy, changes)
            except ResinError:
                assert copy.digest() == digest
                outcomes.add(False)
                return
            outcomes.add(True)
            assert worse(before, complaints(copy)) == set()
            assert copy.guards_now() == copy.guards

        flipped()
        assert outcomes == {True, False}


def layout_of_copy(layout: Layout, copy: FatImage) -> Layout:
    from dataclasses import replace

    return replace(layout, path=copy.path)


def read_all(image: FatImage) -> None:
    with image.path.open("rb") as file, suppress(ResinError):
        system = FatFileSystem.open(file, image.offset, image.size)
        assert isinstance(system.kind.value, str)
        for ask in (lambda: system.label, system.free_bytes, system.list, system.check):
            with suppress(ResinError):
                ask()
        for entry in system.walk():
            with suppress(ResinError):
                system.read(entry.path)


def worse(before: list[str], after: list[str]) -> set[str]:
    """Kinds of complaints that weren't there; numbers and names aside."""
    return {kind_of(problem) for problem in after} - {kind_of(problem) for problem in before}


def kind_of(problem: str) -> str:
    return re.sub(r"\d+|\"[^\"]*\"|/\S+", "#", problem)

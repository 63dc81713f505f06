"""Sound file systems with some files, and every way to damage one by hand."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_tools.fat import Change, MakeDirectory, Put, Remove
from support.fat_images import (
    FatImage,
    Geometry,
    complaints,
    make_directory_by_mtools,
    make_image,
    put_by_mtools,
    scratch_folder,
)
from support.fat_layout import BAD, END_OF_CHAIN, Layout

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


@pytest.fixture(name="image", params=KINDS)
def sound_fat(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FatImage]:
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

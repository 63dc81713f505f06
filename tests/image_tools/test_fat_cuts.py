"""A power cut at every write: each file is wholly old or wholly new, and the next run completes the work."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from support.cut_file import Cut, RecordedFile, cuts
from support.fat_images import (
    FatImage,
    Geometry,
    Tree,
    complaints,
    make_directory_by_mtools,
    make_image,
    mtools_tree,
    put_by_mtools,
    run,
    scratch_folder,
)
from support.fat_layout import Layout

from image_tools.fat import FatFileSystem, MakeDirectory, Put, Remove

Change = Put | Remove | MakeDirectory
SEED = 5

GEOMETRIES = {
    "fat12": Geometry(12, 512, 1.4),
    "fat12-even": Geometry(12, 512, 1.4),
    "fat16": Geometry(16, 512, 4.2),
    "fat32": Geometry(32, 512, 36),
    "fat12-one-fat": Geometry(12, 512, 1.4, fats=1),
    "fat16-2K-sector-4096": Geometry(16, 4096, 20, sector=4096),
    "fat32-1K": Geometry(32, 1024, 70),
}

# The directory that has to grow ends in a cluster whose FAT12 entry lies across two sectors.
ENDS_OF_CONNS = {"fat12": 341, "fat12-one-fat": 341, "fat12-even": 682}

MAIN_GEOMETRIES = ("fat12", "fat16", "fat32")

OLD = b"old " * 350
KEPT = b"kept " * 400
LONG = "a name that needs more slots than one sector of a directory holds " * 3 + "end.nmconnection"
OTHER_LONG = LONG.replace("name", "text")

CHANGES: dict[str, list[Change]] = {
    "create": [Put("/new.txt", b"new " * 300)],
    "create-long-name": [Put("/" + LONG, b"new " * 300)],
    "create-long-name-between-others": [Put("/gaps/" + LONG, b"new " * 300)],
    "delete-long-name": [Remove("/gaps/" + OTHER_LONG)],
    "replace-longer": [Put("/old.txt", b"longer " * 800)],
    "replace-shorter": [Put("/OLD.TXT", b"short")],
    "replace-by-empty": [Put("/old.txt", b"")],
    "delete": [Remove("/old.txt")],
    "make-directory": [MakeDirectory("/fresh directory")],
    "directory-grows": [Put("/conns/new profile.nmconnection", b"new " * 200)],
    "directory-grows-for-long-name": [Put("/conns/" + LONG, b"new " * 200)],
    "directory-in-full-directory": [MakeDirectory("/conns/one more")],
    "remove-recursively": [Remove("/tree", recursive=True)],
    "put-with-parents": [Put("/deep/er/file.txt", b"new " * 300, make_parents=True)],
    "several": [
        Put("/conns/profile", b"p" * 700),
        Remove("/tree/a.txt"),
        Put("/old.txt", b"the commit mark"),
    ],
}

UNRELATED: list[Change] = [Put("/unrelated.bin", b"u")]

LOST = re.compile(r"Reclaimed (\d+) unused clusters? \(\d+ bytes\)( in \d+ chains?)?\.")
FREE_COUNT = re.compile(
    r"Free cluster summary wrong \((\d+) vs\. really (\d+)\)( \| Auto-correcting\.)?|"
    r"Free cluster summary uninitialized \(should be \d+\)( \| Auto-setting\.)?"
)
FATS_DIFFER = re.compile(r"FATs differ but appear to be intact\.( \| Using first FAT\.)?")
# An orphaned long-name slot has another message for each kind of slot that comes after it.
ORPHAN = re.compile(
    r"A new long file name starts within an old one\. \| Not auto-correcting this\.|"
    r"Orphaned long file name part \".*\"( \| Auto-deleting\.)?|"
    r"Long filename fragment \".*\" found outside a LFN sequence\."
    r" \| \(Maybe the start bit is missing on the last fragment\) \| Not auto-correcting this\.|"
    r"Unfinished long file name \".*\"\."
    r" \| \(Start may have been overwritten by .*\) \| Not auto-correcting this\.|"
    r"Wrong checksum for long file name \".*\"\."
    r" \| \(Short name .* may have changed without updating the long name\) \| Not auto-correcting this\."
)
AFTER_CUT = (LOST, FREE_COUNT, FATS_DIFFER, ORPHAN)


@dataclass(frozen=True)
class Trees:
    old: Tree
    new: Tree


def base_image(folder: Path, kind: str) -> FatImage:
    """A file system whose free clusters lie far apart, so that a change reaches many sectors of the FAT."""
    folder.mkdir()
    image = make_image(folder / "base", GEOMETRIES[kind])
    if kind in ENDS_OF_CONNS:
        put_by_mtools(image, "filler", b"f" * layout_of(image).cluster * (ENDS_OF_CONNS[kind] - 2))
    make_directory_by_mtools(image, "conns")
    put_by_mtools(image, "old.txt", OLD)
    put_by_mtools(image, "keep with a long name.bin", KEPT)
    for name in ("tree", "tree/sub", "gaps"):
        make_directory_by_mtools(image, name)
    layout = layout_of(image)
    for number in range(layout.cluster // 32 - 2):
        put_by_mtools(image, f"conns/FILE{number}", b"%d" % number)
    for name in ("tree/a.txt", "tree/sub/b.txt", "tree/sub/a long name in here.txt", "tree/c.txt"):
        put_by_mtools(image, name, name.encode() * 40)
    for name in (LONG, OTHER_LONG, "behind the others"):
        put_by_mtools(image, f"gaps/{name}", b"o" * 600)
    run("mdel", "-i", image.mtools_name, f"::/gaps/{LONG}")
    free = layout.free()
    by_sector = range(0, len(free), max(1, layout.sector * 8 // layout.bits // 3))
    straddling = {number for number in free if number * 12 // 8 // 512 != (number * 12 + 11) // 8 // 512}
    keep = {free[index] for index in by_sector[:40]}
    if layout.bits == 12:
        keep |= {number for number in free if number & 0xFF >= 0xFE}
        keep |= straddling | {number + 1 for number in straddling} & set(free)
    layout.leave_free(keep | set(free[-8:]))
    if kind in ENDS_OF_CONNS:
        assert layout.chain(layout.first_cluster(b"CONNS      ")) == [ENDS_OF_CONNS[kind]]
    assert complaints(image) == []
    return image


def layout_of(image: FatImage) -> Layout:
    return Layout.read(image.path, image.offset)


def record(image: FatImage, changes: list[Change]) -> RecordedFile:
    file = RecordedFile(image.path)
    FatFileSystem.open(file, image.offset, image.size).apply(changes)
    file.close()
    return file


EVERYWHERE = ("replace-longer", "directory-grows-for-long-name")
SOAKED = ("directory-grows", "remove-recursively")
CASES = [
    pytest.param(
        kind, name, marks=[pytest.mark.soak] if kind not in MAIN_GEOMETRIES and name in SOAKED else []
    )
    for kind in GEOMETRIES
    for name in CHANGES
    if kind in MAIN_GEOMETRIES or name in (*EVERYWHERE, *SOAKED)
]
UNRELATED_EVERY = 3
"""An unrelated change after the cut is tried on one state of so many."""


@pytest.fixture(name="bases", scope="module")
def base_images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], FatImage]]:
    """The file system that each change of a geometry starts from, made once."""
    with scratch_folder(tmp_path_factory.mktemp("bases")) as folder:
        yield cache(lambda kind: base_image(folder / kind, kind))


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_cut(kind: str, name: str, bases: Callable[[str], FatImage], tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        base = bases(kind)
        changes = CHANGES[name]
        done = base.copy(folder / "done")
        old = mtools_tree(base)
        file = record(done, changes)
        trees = Trees(old, mtools_tree(done))
        assert trees.new != trees.old
        assert complaints(done) == []
        states = 0
        chance = random.Random(f"{SEED} {kind} {name}")
        for cut in cuts(file.epochs, chance, GEOMETRIES[kind].sector):
            state = base.copy(folder / "state")
            cut.put_onto(state.path)
            judge(state, trees, changes, cut, unrelated=states % UNRELATED_EVERY == 0)
            states += 1
        print(f"{states} states of {len(file.writes)} writes in {len(file.epochs)} epochs")
        assert states > len(file.writes)
        assert len(file.epochs) > 2


def judge(state: FatImage, trees: Trees, changes: list[Change], cut: Cut, *, unrelated: bool) -> None:
    """Check one state that a cut left; with `unrelated`, also after a change of another file."""
    found = mtools_tree(state)
    assert torn(found, trees) == [], cut.name
    assert own_tree(state) == found, cut.name
    assert unexpected(complaints(state), AFTER_CUT) == [], cut.name
    if len(changes) > 1 and found.get("old.txt") == trees.new["old.txt"]:
        assert found == trees.new, f"{cut.name}: the last change is there, an earlier one is not"
    assert state.guards_now() == state.guards

    again = [change for change in changes if not is_done(change, found)]
    if again and unrelated:
        other = state.copy(state.path.with_name("other"))
        rerun(other, UNRELATED, cut)
        assert mtools_tree(other) == found | {"unrelated.bin": b"u"}, cut.name
    rerun(state, again or UNRELATED, cut)
    assert mtools_tree(state) == trees.new | ({} if again else {"unrelated.bin": b"u"}), cut.name
    problems = complaints(state)
    assert unexpected(problems, (LOST, FREE_COUNT, ORPHAN)) == [], cut.name
    assert free_count_is_true_but_for_lost_clusters(problems), f"{cut.name}: {problems}"


def rerun(image: FatImage, changes: list[Change], cut: Cut) -> None:
    """Our next run: it mends the second FAT, and says so where there was something to mend."""
    differed = fats_differ(image)
    with image.path.open("r+b", buffering=0) as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        system.apply(changes)
        codes = [notice.code for notice in system.notices]
    assert ("fat-mended" in codes) == differed, cut.name
    assert not fats_differ(image), cut.name


def fats_differ(image: FatImage) -> bool:
    layout = layout_of(image)
    return layout.fats == 2 and layout.fat(0) != layout.fat(1)


def torn(found: Tree, trees: Trees) -> list[str]:
    """Files and directories that are neither as they were nor as they should become."""
    absent = object()
    known = trees.old.keys() | trees.new.keys() | found.keys()
    return [
        path
        for path in known
        if found.get(path, absent) not in (trees.old.get(path, absent), trees.new.get(path, absent))
    ]


def own_tree(image: FatImage) -> Tree:
    with image.path.open("rb", buffering=0) as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        return {
            entry.path.lstrip("/"): None if entry.is_directory else system.read(entry.path)
            for entry in system.walk()
        }


def is_done(change: Change, found: Tree) -> bool:
    names = {path.upper() for path in found}
    there = change.path.lstrip("/").upper() in names
    return there if isinstance(change, MakeDirectory) else not there if isinstance(change, Remove) else False


def unexpected(problems: list[str], allowed: tuple[re.Pattern[str], ...]) -> list[str]:
    return [problem for problem in problems if not any(pattern.fullmatch(problem) for pattern in allowed)]


def free_count_is_true_but_for_lost_clusters(problems: list[str]) -> bool:
    """fsck.fat counts lost clusters as free ones, the file system itself does not."""
    lost = sum(int(match[1]) for match in map(LOST.fullmatch, problems) if match)
    for match in map(FREE_COUNT.fullmatch, problems):
        if match and (not match[1] or int(match[2]) - int(match[1]) != lost):
            return False
    return True

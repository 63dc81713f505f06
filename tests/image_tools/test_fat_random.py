"""Random edits on every geometry: fsck.fat finds nothing, and mtools reads what was meant."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fat_images import (
    GEOMETRIES,
    Geometry,
    Tree,
    as_mtools_shows,
    complaints,
    make_image,
    mtools_tree,
    scratch_folder,
)

from image_tools.fat import FatFileSystem, MakeDirectory, Put, Remove
from resin_toolkit.errors import NoSpace

SEQUENCES = 2000
PER_GEOMETRY = -(-SEQUENCES // len(GEOMETRIES))
JUDGED_EVERY = 3
"""The judges look after so many sequences: damage stays, or the check before the next change finds it."""
SEED = int(os.environ.get("RESIN_FAT_SEED", "20170316"))
MOST_FILES = 24
LARGEST = 192 * 1024

NAMES = (
    "CONFIG.TXT",
    "config.json",
    "Mixed.Case",
    "noext",
    "os-release",
    "two words.txt",
    " leading.txt",
    "many.dots.in.it.conf",
    "a+b,c;=[d].x",
    "resin-wifi",
    "resin-wifi-01",
    "resin-wifi-02",
    "TILDE~1.TXT",
    "Ünïcode näme.conf",
    "日本語の設定.txt",
    "smile 😀.txt",
    "é",
    "longish name that takes five slots of a directory.nmconnection",
    "x" * 251 + ".cfg",
    "né" * 63 + "z",
)
LONGEST_NAMES = tuple(name for name in NAMES if len(name) > 100)
Change = Put | Remove | MakeDirectory


class Model:
    """What the tree should be: shown path and contents by upper-cased path."""

    def __init__(self, chance: random.Random, cluster: int) -> None:
        self.chance = chance
        self.cluster = cluster
        self.nodes: dict[str, tuple[str, bytes | None]] = {}

    def tree(self) -> Tree:
        return {as_mtools_shows(path): data for path, data in self.nodes.values()}

    def step(self) -> tuple[Change, dict[str, tuple[str, bytes | None]]]:
        """A random change, already made in the model, and the nodes as they were before it."""
        before = dict(self.nodes)
        return self.change(), before

    def change(self) -> Change:
        """A random change that can work, already made in the model."""
        files = [path for path, data in self.nodes.values() if data is not None]
        directories = [path for path, data in self.nodes.values() if data is None]
        doing = self.chance.choices(
            ("put", "replace", "remove", "mkdir", "rmdir"),
            (
                5 if len(files) < MOST_FILES else 0,
                6 if files else 0,
                3 if files else 0,
                2,
                1 if directories else 0,
            ),
        )[0]
        if doing == "put":
            return self._put(self._new_path() or "the only file.txt")
        if doing == "replace":
            return self._put(self._other_case(self.chance.choice(files)))
        if doing == "remove":
            return self._remove(self._other_case(self.chance.choice(files)), recursive=False)
        if doing == "rmdir":
            return self._remove(self.chance.choice(directories), recursive=True)
        return self._make_directory()

    def _put(self, path: str) -> Put:
        data = self.chance.randbytes(self._length())
        shown = self.nodes.get(path.upper(), (path, b""))[0]
        self.nodes[path.upper()] = (shown, data)
        return Put("/" + path, data)

    def _remove(self, path: str, *, recursive: bool) -> Remove:
        key = path.upper()
        for known in list(self.nodes):
            if known == key or known.startswith(key + "/"):
                del self.nodes[known]
        return Remove("/" + path, recursive=recursive)

    def _make_directory(self) -> Change:
        path = self._new_path()
        if path is None or path.count("/") > 2:
            return self._put("the only file.txt")
        self.nodes[path.upper()] = (path, None)
        return MakeDirectory("/" + path)

    def _new_path(self) -> str | None:
        parents = ["", *(path + "/" for path, data in self.nodes.values() if data is None)]
        parent = self.chance.choice(parents)
        path = parent + self._other_case(self.chance.choice(NAMES), rarely=True)
        return None if path.upper() in self.nodes else path

    def _other_case(self, path: str, *, rarely: bool = False) -> str:
        kind = self.chance.randrange(12 if rarely else 4)
        return path.upper() if kind == 0 else path.lower() if kind == 1 else path

    def _length(self) -> int:
        cluster = self.cluster
        few = self.chance.randrange(1, 6) * cluster
        length = self.chance.choice((0, 1, 300, cluster - 1, cluster, cluster + 1, few, few - 7))
        return min(length, LARGEST)


def sequences(geometry: Geometry) -> Iterator[tuple[int, random.Random]]:
    for number in range(PER_GEOMETRY):
        yield number, random.Random(f"{SEED} {geometry} {number}")


def may_fill(geometry: Geometry) -> bool:
    return "-r" in geometry.options


def test_as_many_sequences_as_promised() -> None:
    assert len(GEOMETRIES) * PER_GEOMETRY >= 2000
    assert {geometry.cluster for geometry in GEOMETRIES} == {512 << power for power in range(8)}
    assert {(geometry.bits, geometry.fats) for geometry in GEOMETRIES} == {
        (b, f) for b in (12, 16, 32) for f in (1, 2)
    }


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_random_edits(geometry: Geometry, tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        image = make_image(folder / "image", geometry)
        model = Model(random.Random(), geometry.cluster)
        full = 0
        for number, chance in sequences(geometry):
            model.chance = chance
            told = f"seed {SEED}, {geometry}, sequence {number}"
            steps = [model.step() for _ in range(chance.randrange(2, 7))]
            changes = [change for change, _ in steps]
            runs = [steps] if chance.random() < 0.5 else [[step] for step in steps]
            with image.path.open("r+b", buffering=0) as file:
                for done in runs:
                    try:
                        system = FatFileSystem.open(file, image.offset, image.size)
                        system.apply([change for change, _ in done])
                    except NoSpace:
                        assert may_fill(geometry), told
                        model.nodes = done[0][1]
                        full += 1
                        break
            if number % JUDGED_EVERY and number != PER_GEOMETRY - 1:
                continue
            assert complaints(image) == [], f"{told}: {_shown(changes)}"
            assert _differences(model.tree(), mtools_tree(image)) == [], f"{told}: {_shown(changes)}"
            assert image.guards_now() == image.guards, told
        assert full < PER_GEOMETRY // 2
        assert len(model.nodes) > 0


def _differences(wanted: Tree, found: Tree) -> list[str]:
    lines = [f"missing {name!r}" for name in wanted.keys() - found.keys()]
    lines += [f"unexpected {name!r}" for name in found.keys() - wanted.keys()]
    return lines + [
        f"contents of {name!r}" for name in wanted.keys() & found.keys() if wanted[name] != found[name]
    ]


def _shown(changes: list[Change]) -> str:
    return "; ".join(
        f"put {change.path} {len(change.content) if isinstance(change.content, bytes) else '?'}"
        if isinstance(change, Put)
        else f"{type(change).__name__} {change.path}"
        for change in changes
    )

"""File systems of each kind, changed by the editor and judged by mtools and fsck.fat."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from image_tools.fat import Change, FatFileSystem
from support.fat_images import FatImage, Geometry, Tree, complaints, make_image, mtools_tree, scratch_folder
from support.fat_layout import Layout

KINDS = {
    "fat12": Geometry(12, 512, 1.4, options=("-n", "resin-boot")),
    "fat16": Geometry(16, 1024, 6, options=("-n", "RESIN-BOOT")),
    "fat32": Geometry(32, 512, 36, options=("-n", "flash-boot")),
}
NOW = datetime(2017, 3, 16, 14, 35, 58)


@pytest.fixture(name="folder")
def fat_folder(tmp_path: Path) -> Iterator[Path]:
    with scratch_folder(tmp_path) as found:
        yield found


@pytest.fixture(name="image", params=KINDS)
def fat_image(request: pytest.FixtureRequest, folder: Path) -> FatImage:
    return make_image(folder / "image", KINDS[request.param])


def layout_of(image: FatImage) -> Layout:
    return Layout.read(image.path, image.offset)


def apply(image: FatImage, *changes: Change, now: datetime = NOW) -> FatFileSystem:
    with image.path.open("r+b", buffering=0) as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        system.apply(changes, now=now)
        return system


def own_tree(image: FatImage) -> Tree:
    with image.path.open("rb") as file:
        system = FatFileSystem.open(file, image.offset, image.size)
        return {
            entry.path.lstrip("/"): None if entry.is_directory else system.read(entry.path)
            for entry in system.walk()
        }


def judged(image: FatImage) -> Tree:
    """The tree by mtools, once fsck.fat found nothing and the guards are as they were."""
    assert complaints(image) == []
    assert image.guards_now() == image.guards
    return mtools_tree(image)

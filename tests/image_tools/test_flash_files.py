"""Flashing into files: their length, what a run that failed leaves, and an image that is not what it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.card_images import KINDS, MIB, packed
from support.flash_runs import IMAGE, SIZE, STALE, image_file, to_file, to_target
from support.left_threads import no_thread_is_left  # noqa: F401 - fixture
from support.loop_devices import small_file_system

from image_tools.flash import FlashJob, FlashOptions, flash
from image_tools.flash.direct_io import CHUNK
from image_tools.flash.image_feed import POOL
from image_tools.flash.target import open_file
from image_tools.source import open_source
from resin_toolkit.errors import BadValue, ImageDamaged, NoSpace, PathNotFound
from resin_toolkit.progress import SilentProgress

# to files


@pytest.mark.parametrize("size", [SIZE, SIZE - 1, CHUNK + 1, 4096, 513])
def test_a_file_gets_the_images_length(size: int, tmp_path: Path) -> None:
    goal = tmp_path / "card.img"
    to_file(image_file(tmp_path, IMAGE[:size]), goal)
    assert goal.read_bytes() == IMAGE[:size]


def test_a_longer_file_is_cut_to_the_images_length(tmp_path: Path) -> None:
    goal = tmp_path / "card.img"
    goal.write_bytes(STALE * (2 * SIZE))
    to_file(image_file(tmp_path), goal)
    assert goal.read_bytes() == IMAGE


def test_a_file_in_memory_is_never_called_verified(tmp_path: Path) -> None:
    goal = Path("/dev/shm") / f"{tmp_path.name}-card.img"
    try:
        with open_file(str(goal)) as target:
            done = to_target(image_file(tmp_path), target)
            assert "read-back-cached" in [notice.code for notice in target.notices]
        assert goal.read_bytes() == IMAGE
    finally:
        goal.unlink()
    assert done.reading is not None
    assert not done.verified


# All buffers together are shorter, so that its end is read only after its start was written.
LONGER_THAN_THE_POOL = IMAGE + bytes((POOL + 1) * CHUNK)


def test_a_failed_run_removes_the_file_it_made(tmp_path: Path) -> None:
    image = packed("gz", LONGER_THAN_THE_POOL, tmp_path)
    image.write_bytes(image.read_bytes()[:-1])
    goal = tmp_path / "card.img"
    with pytest.raises(ImageDamaged, match="was removed"):
        to_file(str(image), goal)
    assert not goal.exists()


def test_a_failed_run_removes_the_file_and_not_the_link_that_led_to_it(tmp_path: Path) -> None:
    image = packed("gz", LONGER_THAN_THE_POOL, tmp_path)
    image.write_bytes(image.read_bytes()[:-1])
    link, goal = tmp_path / "link.img", tmp_path / "card.img"
    link.symlink_to(goal)
    with pytest.raises(ImageDamaged, match="was removed"):
        to_file(str(image), link)
    assert not goal.exists()
    assert link.is_symlink()


def test_a_failed_run_leaves_a_file_that_was_there_and_says_so(tmp_path: Path) -> None:
    image = packed("gz", LONGER_THAN_THE_POOL, tmp_path)
    image.write_bytes(image.read_bytes()[:-1])
    goal = tmp_path / "card.img"
    goal.write_bytes(STALE * SIZE)
    with pytest.raises(ImageDamaged, match="does not hold a usable image"):
        to_file(str(image), goal)
    assert goal.exists()


def test_a_folder_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="folder"):
        open_file(str(tmp_path))
    with pytest.raises(PathNotFound):
        open_file(str(tmp_path / "none" / "card.img"))


@pytest.mark.root
@pytest.mark.parametrize("kind", ["raw", "gz"])
def test_a_full_file_system_is_no_space(kind: str, tmp_path: Path) -> None:
    image = packed(kind, IMAGE, tmp_path)
    with small_file_system(tmp_path, SIZE - 2 * MIB) as folder:
        with pytest.raises(NoSpace):
            to_file(str(image), folder / "card.img")
        assert not (folder / "card.img").exists()


# the checksum of the image


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_sha256_is_a_damaged_image(kind: str, tmp_path: Path) -> None:
    image = packed(kind, IMAGE, tmp_path)
    goal = tmp_path / "card.img"
    with pytest.raises(ImageDamaged, match="SHA-256"):
        to_file(str(image), goal, sha256="0" * 64)
    assert not goal.exists()


@pytest.mark.parametrize("kind", ["raw", "gz"])
def test_an_image_that_is_written_to_meanwhile_is_not_called_flashed(kind: str, tmp_path: Path) -> None:
    image = packed(kind, IMAGE, tmp_path)
    goal = tmp_path / "card.img"
    with open_source(str(image)) as source, open_file(str(goal)) as target:
        os.utime(image, ns=(0, 1))
        with pytest.raises(ImageDamaged, match="changed while it was being read"):
            flash(source, [FlashJob(target)], SilentProgress(), FlashOptions())
    assert not goal.exists()

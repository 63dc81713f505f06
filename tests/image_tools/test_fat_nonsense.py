"""A medium that fails, and bytes that make no sense: no error but ours, and nothing made worse."""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.cut_file import RecordedFile
from support.examples import examples
from support.fat_damages import CHANGES, FOLDER, KINDS, sound_fat, sound_image  # noqa: F401 - fixtures
from support.fat_editing import apply, layout_of
from support.fat_images import FatImage, complaints, mtools_tree, scratch_folder
from support.fat_layout import Layout

from image_tools.fat import Change, FatFileSystem, Put
from resin_toolkit.errors import FileSystemDamaged, NotAnImage, ResinError

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

        @settings(
            max_examples=examples(120), deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
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
                apply(copy, *changes)
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
        assert isinstance(system.fat_type.value, str)
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

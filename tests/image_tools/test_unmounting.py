"""Unmounting a drive before it is written, and who keeps it from being unmounted."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.loop_devices import MIB, blank_loop, partition_node, run

from image_tools.drives import Drive, find_drive, unmount
from image_tools.drives.unmount import processes_holding
from resin_toolkit.errors import Refused

pytestmark = pytest.mark.root


@contextmanager
def mounted_card(folder: Path) -> Iterator[tuple[str, Path]]:
    """A drive whose partition is mounted, and a folder below that mount is mounted too."""
    with blank_loop(folder, 16 * MIB) as device, partition_node(device, 2048, 16384) as node:
        run("mkfs.ext4", "-q", node)
        point = folder / "a b"
        point.mkdir()
        run("mount", node, point)
        try:
            yield device, point
        finally:
            subprocess.run(["umount", "-R", point], check=False, stderr=subprocess.DEVNULL)


def card(device: str) -> Drive:
    """The drive, as if it were removable."""
    drive = find_drive(device)
    return replace(drive, removable=True, refusals=(), to_unmount=drive.mount_points)


def test_the_innermost_comes_first_and_a_second_mount_over_it_goes_too(tmp_path: Path) -> None:
    with mounted_card(tmp_path) as (device, point):
        (point / "below").mkdir()
        node = find_drive(device).partitions[0].path
        run("mount", "--bind", point, point)
        run("mount", node, point / "below")
        drive = card(device)
        assert set(drive.to_unmount) == {str(point), str(point / "below")}
        assert unmount(drive) == (str(point / "below"), str(point))
        assert find_drive(device).mount_points == ()


@pytest.mark.parametrize("holding", ["stands in it", "has a file open"])
def test_a_busy_one_is_named_with_the_program_that_holds_it(holding: str, tmp_path: Path) -> None:
    with mounted_card(tmp_path) as (device, point):
        (point / "file").write_text("x")
        command = ["sh", "-c", "exec 3< file; echo ready; read -r _"]
        if holding == "has a file open":
            command[2] = f"exec 3< '{point}/file'; echo ready; read -r _"
        place = point if holding == "stands in it" else tmp_path
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=place, stdin=pipe, stdout=pipe) as program:
            try:
                assert program.stdout is not None
                program.stdout.readline()
                assert processes_holding(str(point)) == [f"sh (pid {program.pid})"]
                with pytest.raises(Refused, match=rf"in use by sh \(pid {program.pid}\)"):
                    unmount(card(device))
                assert find_drive(device).mount_points == (str(point),)
            finally:
                program.kill()


def test_what_is_no_longer_mounted_is_no_failure(tmp_path: Path) -> None:
    with mounted_card(tmp_path) as (device, point):
        drive = card(device)
        run("umount", point)
        assert unmount(drive) == (str(point),)

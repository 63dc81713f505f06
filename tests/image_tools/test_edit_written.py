"""Changes to what was flashed, on real loop devices, on files, and on a device that lies."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import pytest
from card_images import MIB
from faulty_file import Fault, faulty_file
from flash_runs import IMAGE, SIZE, content, flashed, image_file
from loop_devices import blank_loop, loop_device, needs_root

from image_tools.flash import flash
from image_tools.flash.edit import edit_written
from image_tools.flash.target import State, open_file
from image_tools.source import open_source
from resin_toolkit.errors import BadValue, VerifyFailed
from resin_toolkit.progress import Silent

root_only = pytest.mark.skipif(needs_root(), reason="loop devices need root")


@root_only
@pytest.mark.parametrize("sector", [512, 4096])
def test_changes_reach_the_drive_and_nothing_else_does(sector: int, tmp_path: Path) -> None:
    def edit(file: BinaryIO) -> str:
        file.seek(1000)
        assert file.read(3) == IMAGE[1000:1003]
        file.seek(70_001)
        file.write(b"hello")
        file.seek(70_003)
        file.write(b"LLO!")
        file.seek(-5, io.SEEK_END)
        file.write(b"ended")
        file.flush()
        return "done"

    expected = bytearray(IMAGE.ljust(2 * SIZE, b"\0"))
    expected[70_001:70_007] = b"heLLO!"
    expected[-5:] = b"ended"
    with blank_loop(tmp_path, 2 * SIZE, sector=sector) as device:
        with flashed(image_file(tmp_path), device) as target:
            assert edit_written(target, edit) == "done"
        assert content(device, 2 * SIZE) == bytes(expected)


def test_changes_reach_a_file(tmp_path: Path) -> None:
    goal = tmp_path / "card.img"
    with open_source(image_file(tmp_path)) as source, open_file(str(goal)) as target:
        flash(source, target, Silent())
        edit_written(target, lambda file: (file.seek(SIZE - 3), file.write(b"end")))
        target.finish()
    assert goal.read_bytes() == IMAGE[:-3] + b"end"


@root_only
def test_a_change_that_the_drive_loses_is_found_out(tmp_path: Path) -> None:
    at = 9 * MIB + 77  # beyond the image, so that only the change meets the fault

    def edit(file: BinaryIO) -> None:
        file.seek(at - 10)
        file.write(b"x" * 100)

    with (
        faulty_file(tmp_path, 2 * SIZE, Fault.FLIP, at) as file,
        loop_device(file) as device,
        pytest.raises(VerifyFailed) as failure,
        flashed(image_file(tmp_path), device) as target,
    ):
        edit_written(target, edit)
    assert failure.value.facts["offset"] == at
    assert failure.value.facts["count"] == 1


@root_only
def test_a_change_that_is_refused_leaves_the_image_as_it_came(tmp_path: Path) -> None:
    def edit(_: BinaryIO) -> None:
        raise BadValue("That cannot be a host name.")

    with (
        blank_loop(tmp_path, 2 * SIZE) as device,
        pytest.raises(BadValue, match="holds the image as it came"),
        flashed(image_file(tmp_path), device) as target,
    ):
        edit_written(target, edit)
    assert target.state is State.COMPLETE

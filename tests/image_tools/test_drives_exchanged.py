"""A drive, or its medium, that is exchanged between a question and the first write."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.boot_images import OS_RELEASE, boot_image
from support.disk_images import MIB
from support.loop_devices import loop_device, run
from support.resin_command import Terminal

from image_tools.drives import check_not_exchanged, find_drive, medium_check
from resin_toolkit.errors import Refused

pytestmark = pytest.mark.root

_LOOP_CHANGE_FD = 0x4C06
"""linux/loop.h: another file behind a read-only loop device, as if a card reader got another card."""


def image_of(path: Path) -> Path:
    boot_image(path, {"config.json": '{"hostname": "old"}', "os-release": OS_RELEASE})
    return path


def test_another_medium_in_an_open_drive(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(name.encode().ljust(4 * MIB))
    run("losetup", "--read-only", "--find", "--show", tmp_path / "one")
    device = run("losetup", "--noheadings", "--output", "NAME", "--associated", tmp_path / "one").strip()
    descriptor = os.open(device, os.O_RDONLY)
    try:
        check = medium_check(descriptor, device)
        check()
        with (tmp_path / "two").open("rb") as other:
            fcntl.ioctl(descriptor, _LOOP_CHANGE_FD, other.fileno())
        with pytest.raises(Refused, match="exchanged"):
            check()
    finally:
        os.close(descriptor)
        run("losetup", "--detach", device)


@pytest.mark.parametrize("what", ["serial", "size", "location"])
def test_without_sequence_numbers_serial_size_and_place_are_compared(what: str, tmp_path: Path) -> None:
    with loop_device(image_of(tmp_path / "card.img")) as device, open(device, "rb") as file:  # noqa: PTH123
        shown = replace(find_drive(device), sequence=None)
        check_not_exchanged(shown, file.fileno())
        before = replace(shown, **{what: 5 if what == "size" else "another"})
        with pytest.raises(Refused, match="exchanged"):
            check_not_exchanged(before, file.fileno())


def test_a_drive_that_is_exchanged_before_it_is_emulated_is_refused(tmp_path: Path) -> None:
    image, precious = (image_of(tmp_path / name) for name in ("card.img", "precious.img"))
    before = precious.read_bytes()
    with loop_device(image) as device:
        terminal = Terminal("emulate", device)
        terminal.until("Type its name")
        run("losetup", "--detach", device)
        run("losetup", device, precious)
        terminal.type(f"{device}\n")
        assert terminal.end() == 4
        assert "is no longer the drive that you confirmed" in terminal.plain
    assert precious.read_bytes() == before

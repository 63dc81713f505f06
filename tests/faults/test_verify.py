"""Faults of `resin verify`: missing or unplugged drives, and differences."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.card_images import card_image
from support.faulty_file import Fault as Lie
from support.faulty_file import faulty_file
from support.loop_devices import MIB, loop_device
from support.resin_command import program, resin

from faults.table import Fault, fault
from resin_toolkit.errors import Exit

IMAGE = card_image(6 * MIB)
SAYS = "reports it; reports nothing as equal"
TOLD = "names the first difference and the probable cause; writes nothing"


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("image.img").write_bytes(IMAGE)
    return Path("image.img")


def flipped(place: int) -> bytes:
    data = bytearray(IMAGE)
    data[place] ^= 8
    return bytes(data)


@fault("verify", "one bit differs", Exit.VERIFY_FAILED, "verify-failed", TOLD, flipped(3 * MIB + 5))
@fault(
    "verify",
    "the drive is smaller than the image",
    Exit.VERIFY_FAILED,
    "verify-failed",
    TOLD,
    IMAGE[: 5 * MIB],
)
@fault(
    "verify",
    "the drive is empty or holds other data",
    Exit.VERIFY_FAILED,
    "verify-failed",
    TOLD,
    bytes(6 * MIB),
)
@fault(
    "verify",
    "the drive is empty or holds other data",
    Exit.VERIFY_FAILED,
    "verify-failed",
    TOLD,
    os.urandom(6 * MIB),
)
def test_what_differs(fault: Fault, image: Path) -> None:
    Path("card.img").write_bytes(fault.given)
    fault.met(resin("verify", image, "card.img", "--json"), "card.img")
    assert Path("card.img").read_bytes() == fault.given


@fault(
    "verify",
    "a block of the drive is unreadable",
    Exit.FAILED,
    "io-error",
    "names the drive; reports nothing as equal",
)
def test_a_bad_block(fault: Fault, image: Path, tmp_path: Path) -> None:
    with faulty_file(tmp_path, 6 * MIB, Lie.UNREADABLE, 3 * MIB) as file:
        (tmp_path / "faulty-backing.img").write_bytes(IMAGE)
        with loop_device(file) as device:
            fault.met(program("verify", image, device, "--json"), device)


@fault(
    "verify",
    "the drive or file does not exist",
    Exit.NOT_FOUND,
    "drive-not-found",
    SAYS,
    "/dev/none",
)
@fault(
    "verify",
    "the drive or file does not exist",
    Exit.NOT_FOUND,
    "file-not-found",
    SAYS,
    "none.img",
)
def test_nothing_to_compare_with(fault: Fault, image: Path) -> None:
    fault.met(resin("verify", image, fault.given, "--json"), fault.given)
    assert not Path(fault.given).exists()

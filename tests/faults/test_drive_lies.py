"""Drives that fail or lie while they are written or read back, or are unplugged."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from support.card_images import card_image
from support.faulty_file import Fault as Lie
from support.faulty_file import faulty_file
from support.loop_devices import MIB, blank_loop, loop_device
from support.resin_command import program

from faults.conditions import RunningCommand, into
from faults.table import CARRIES_ON, Fault, fault
from resin_toolkit.errors import Exit

SIZE = 6 * MIB
IMAGE = card_image(SIZE)
FOUND_OUT = "names the first byte that differs and the probable cause; leaves the drive unbootable"
NAMED = "names the drive and the offset; reports nothing as verified, and leaves the drive unbootable"
FLASHED = ("--yes", "--allow-fixed", "--json")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.img"
    path.write_bytes(IMAGE)
    return path


@contextmanager
def lying(folder: Path, lie: Lie, at: int, size: int = 8 * MIB) -> Iterator[str]:
    with faulty_file(folder, size, lie, at) as file, loop_device(file) as device:
        yield device


def holds_a_system(folder: Path) -> bool:
    """Whether the drive could start: its first sector is there."""
    return any((folder / "faulty-backing.img").read_bytes()[:512])


@fault(
    "flash",
    "a bit is stored wrong",
    Exit.VERIFY_FAILED,
    "verify-failed",
    FOUND_OUT,
    (Lie.FLIP, 3 * MIB + 9),
)
@fault(
    "flash",
    "a block is never written",
    Exit.VERIFY_FAILED,
    "verify-failed",
    FOUND_OUT,
    (Lie.DROP, 3 * MIB),
)
@fault(
    "flash",
    "a counterfeit card is smaller than it claims",
    Exit.VERIFY_FAILED,
    "verify-failed",
    FOUND_OUT,
    (Lie.WRAP, 4 * MIB),
)
@fault(
    "flash",
    "a counterfeit card discards what exceeds its size",
    Exit.VERIFY_FAILED,
    "verify-failed",
    FOUND_OUT,
    (Lie.LIMIT, 4 * MIB),
)
@fault("flash", "a write error", Exit.FAILED, "io-error", NAMED, (Lie.WRITE_ERROR, 3 * MIB))
@fault("flash", "a read error", Exit.FAILED, "io-error", NAMED, (Lie.READ_ERROR, 3 * MIB))
def test_a_drive_that_lies(fault: Fault, image: Path, tmp_path: Path) -> None:
    lie, at = fault.given
    with lying(tmp_path, lie, at) as device:
        run = program("flash", image, device, *FLASHED)
    fault.met(run, device)
    assert '"verified": true' not in run.out
    assert lie is Lie.WRAP or not holds_a_system(tmp_path)


@fault(
    "flash",
    "the drive is unplugged during writing",
    Exit.FAILED,
    "io-error",
    "names the drive; reports nothing as verified",
)
@fault(
    "verify",
    "the drive is unplugged during reading",
    Exit.FAILED,
    "io-error",
    "names the drive; reports nothing as equal",
)
def test_an_unplugged_drive(fault: Fault, tmp_path: Path) -> None:
    big = tmp_path / "big.img"
    big.write_bytes(card_image(48 * MIB))
    lie = Lie.SLOW if fault.command == "flash" else Lie.SLOW_READS
    with lying(tmp_path, lie, 2 * MIB, 64 * MIB) as device:
        if fault.command == "verify":
            (tmp_path / "faulty-backing.img").write_bytes(big.read_bytes() + bytes(16 * MIB))
        words = FLASHED if fault.command == "flash" else ("--full", "--json")
        with RunningCommand(fault.command, big, device, *words) as begun:
            if fault.command == "flash":
                begun.until(lambda: _written(tmp_path) > 4 * MIB)
            else:
                begun.until_shown('"comparing"', "out")
            _pull_out(tmp_path)
            run = begun.end()
    fault.met(run, device)
    assert '"verified": true' not in run.out


def _written(folder: Path) -> int:
    return (folder / "faulty-backing.img").stat().st_blocks * 512


def _pull_out(folder: Path) -> None:
    [server] = [
        child
        for child in psutil.Process().children()
        if any(str(folder / "faulty.img") in word for word in child.cmdline())
    ]
    server.kill()


@fault(
    "flash",
    "one of several drives fails",
    Exit.VERIFY_FAILED,
    "verify-failed",
    "reports each drive; writes and verifies the others",
)
def test_one_of_two(fault: Fault, image: Path, tmp_path: Path) -> None:
    with lying(tmp_path, Lie.FLIP, 3 * MIB) as bad, blank_loop(tmp_path, 8 * MIB) as good:
        run = program("flash", image, bad, good, *FLASHED)
        fault.met(run, bad)
        assert Path(good).read_bytes()[:SIZE] == IMAGE
    assert f'"target": "{good}", "ok": true' in run.out


@fault(
    "flash",
    "the image, or a download piped to stdin, is truncated",
    Exit.DONE,
    CARRIES_ON,
    "warns that a partition extends past the end of the image",
)
@pytest.mark.parametrize("way", ["file", "pipe", "gz"])
def test_a_truncated_download(fault: Fault, tmp_path: Path, way: str) -> None:
    cut = IMAGE[: 4 * MIB]
    (tmp_path / "cut").write_bytes(gzip.compress(cut, 1) if way == "gz" else cut)
    run = program(
        "flash", "-" if way == "pipe" else tmp_path / "cut", tmp_path / "card.img", "--json", stdin=cut
    )
    fault.met(run)
    [warning] = json.loads(run.out.splitlines()[-1])["data"]["warnings"]
    assert warning["code"] == "partition-past-end"


@fault(
    "flash verify",
    "stdout is a file on a full disk",
    Exit.FAILED,
    "no-space",
    "completes the work, and reports that the result could not be written",
)
def test_the_result_cannot_be_written(fault: Fault, image: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.img"
    if fault.command == "verify":
        card.write_bytes(IMAGE)
    fault.met_in_text(into(">/dev/full", fault.command, image, card, "--json"), "stdout")
    assert card.read_bytes() == IMAGE

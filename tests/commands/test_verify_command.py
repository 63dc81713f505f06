"""`resin verify`: what is equal, what differs and where, and that nothing is ever written."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
from pathlib import Path

import pytest
from support import disk_images
from support.boot_images import boot_image
from support.card_images import KINDS, MIB, packed
from support.faulty_file import Fault, faulty_file
from support.file_systems import ext, files
from support.loop_devices import blank_loop, loop_device
from support.resin_command import Run, program, resin

LAYOUT = "label: dos\nstart=2048, size=12288, type=c, bootable\nstart=14336, size=49152, type=83\n"
SIZE = 31 * MIB
DATA = 7 * MIB
"""Where the second partition starts; it is an ext4 of 24 MiB with some files."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("verified")
    boot = boot_image(folder / "boot.img", {"config.json": '{"hostname": "old"}'})
    image = disk_images.partitioned(folder / "image.img", SIZE, LAYOUT)
    disk_images.poke(image, MIB, boot.path.read_bytes()[MIB : 7 * MIB])
    system = ext(folder / "ext.img", 24 * MIB, files(folder))
    disk_images.poke(image, DATA, system.read_bytes())
    return image.read_bytes()


@pytest.fixture
def image(whole: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "image.img"
    path.write_bytes(whole)
    return path


def error(run: Run) -> dict[str, str]:
    return dict(json.loads(run.out.splitlines()[-1])["error"])


@pytest.mark.root
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_flashed_is_the_same(kind: str, image: Path, tmp_path: Path) -> None:
    source = packed(kind, image.read_bytes(), tmp_path)
    with blank_loop(tmp_path, SIZE + MIB, fill=b"\xa5") as device:
        assert program("flash", source, device, "--yes", "--allow-fixed").code == 0
        before = Path(device).read_bytes()
        run = program("verify", source, device)
        assert run.code == 0, run.err
        # What the image does not use was not written, and is only compared if that is asked for.
        assert program("verify", source, device, "--full").code == 5
        assert Path(device).read_bytes() == before
    assert "every byte is the same" in run.out
    assert "all that the image uses" in run.out


@pytest.mark.root
@pytest.mark.parametrize("place", [0, MIB - 1, MIB + 5, SIZE - 1])
def test_one_bit_that_differs_is_found_to_the_byte(place: int, image: Path, tmp_path: Path) -> None:
    with blank_loop(tmp_path, SIZE) as device:
        assert program("flash", image, device, "--yes", "--allow-fixed", "--full").code == 0
        old = disk_images.peek(Path(device), place, 1)
        disk_images.poke(Path(device), place, bytes([old[0] ^ 8]))
        run = program("verify", image, device, "--full")
        before = Path(device).read_bytes()
    assert run.code == 5
    assert f"first at byte {place}" in run.err
    assert "one bit is flipped" in run.err
    assert "Nothing was written" not in run.err
    assert len(before) == SIZE


@pytest.mark.root
def test_the_partition_that_differs_is_named(image: Path, tmp_path: Path) -> None:
    with blank_loop(tmp_path, SIZE) as device:
        assert program("flash", image, device, "--yes", "--allow-fixed").code == 0
        disk_images.poke(Path(device), DATA + 1024, b"something")
        run = program("verify", image, device, "--json")
    assert run.code == 5
    assert error(run)["code"] == "verify-failed"
    assert "partition 2" in error(run)["message"]


@pytest.mark.root
def test_a_drive_that_lost_what_was_written_reads_as_zero(image: Path, tmp_path: Path) -> None:
    with (
        faulty_file(tmp_path, SIZE + MIB, Fault.LIMIT, DATA) as file,
        loop_device(file) as device,
    ):
        program("flash", image, device, "--yes", "--allow-fixed", "--no-verify")
        run = program("verify", image, device)
    assert run.code == 5
    assert "reads as all zero" in run.err


def test_a_file_is_compared_too(image: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.img"
    assert resin("flash", image, card).code == 0
    run = resin("verify", image, card, "--json")
    data = json.loads(run.out.splitlines()[-1])["data"]
    assert (data["bytes"], data["target"]) == (SIZE, str(card))
    assert 0 < data["compared"] < SIZE
    disk_images.poke(card, DATA + 1100, b"!")
    assert resin("verify", image, card).code == 5


def test_a_configured_card_differs_from_its_image(image: Path, tmp_path: Path) -> None:
    assert resin("flash", image, tmp_path / "card.img", "--hostname", "shed").code == 0
    run = resin("verify", image, tmp_path / "card.img")
    assert run.code == 5
    assert "configured" in run.err


def test_wholly_other_content_is_counted(image: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.img"
    card.write_bytes(os.urandom(SIZE))
    run = resin("verify", image, card, "--full")
    assert run.code == 5
    assert f"in {SIZE // 65536} of {SIZE // 65536} blocks" in run.err


def test_the_image_comes_from_stdin(image: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.img"
    assert resin("flash", image, card, "--full").code == 0
    run = program("verify", "-", card, stdin=lzma.compress(image.read_bytes(), preset=0))
    assert run.code == 0, run.err


def test_the_checksum_of_the_image_is_checked(image: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.img"
    assert resin("flash", image, card, "--full").code == 0
    right = hashlib.sha256(image.read_bytes()).hexdigest()
    assert resin("verify", image, card, "--sha256", right).code == 0
    assert resin("verify", image, card, "--sha256", "0" * 64).code == 1

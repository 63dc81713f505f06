"""Writing and verifying on real loop devices: what reaches a drive, what is refused, and drives that lie."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.card_images import KINDS, MIB, packed
from support.faulty_file import Fault, faulty_file
from support.flash_runs import IMAGE, SIZE, STALE, content, image_file, to_drive
from support.left_threads import no_thread_is_left  # noqa: F401 - fixture
from support.loop_devices import blank_loop, loop_device, mounted, run

from image_tools.flash import FlashJob, flash
from image_tools.flash.direct_io import CHUNK
from image_tools.flash.image_feed import POOL
from image_tools.flash.target import HEAD, TAIL_SECTORS, open_drive
from image_tools.flash.write_record import HASH_BLOCK
from image_tools.source import Source
from resin_toolkit.errors import IoFailed, Refused, ResinError, VerifyFailed
from resin_toolkit.progress import SilentProgress

# to drives


@pytest.mark.root
@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reaches_the_drive_whole(kind: str, sector: int, tmp_path: Path) -> None:
    image = packed(kind, IMAGE, tmp_path)
    with blank_loop(tmp_path, 2 * SIZE, sector=sector) as device:
        done = to_drive(str(image), device)
        assert content(device, SIZE) == IMAGE
    assert done.verified
    assert done.size == SIZE
    assert done.written >= SIZE


@pytest.mark.root
@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize("size", [513, CHUNK - 1, CHUNK + 1, CHUNK + 511, CHUNK + 513, CHUNK + 4095])
def test_the_last_block_holds_no_stale_bytes_and_the_next_is_untouched(
    size: int, sector: int, tmp_path: Path
) -> None:
    image = image_file(tmp_path, IMAGE[:size])
    end = size + -size % sector
    with blank_loop(tmp_path, 12 * MIB, sector=sector, fill=STALE) as device:
        to_drive(image, device)
        found = content(device, 12 * MIB)
    assert found[:size] == IMAGE[:size]
    assert found[size:end] == bytes(end - size)
    # The first MiB, and the place of a GPT's backup, are cleared whatever was there.
    start, tail = max(end, HEAD), 12 * MIB - TAIL_SECTORS * sector
    assert found[end:start] == bytes(start - end)
    assert found[start:tail] == STALE * (tail - start)
    assert found[tail:] == bytes(TAIL_SECTORS * sector)


@pytest.mark.root
def test_a_buffer_that_is_used_again_leaves_nothing_in_the_last_block(tmp_path: Path) -> None:
    size = POOL * CHUNK + 513
    image = image_file(tmp_path, IMAGE[:512] + b"\x5a" * (size - 512))
    with blank_loop(tmp_path, size - 513 + 4096, sector=4096) as device:
        to_drive(image, device)
        assert content(device, size + 4096)[size:] == bytes(4096 - 513)


@pytest.mark.root
def test_an_image_that_fills_the_drive_to_its_last_block(tmp_path: Path) -> None:
    with blank_loop(tmp_path, SIZE) as device:
        assert to_drive(image_file(tmp_path), device).verified
        assert content(device, SIZE) == IMAGE


@contextmanager
def lying_drive(folder: Path, fault: Fault, at: int) -> Iterator[str]:
    with faulty_file(folder, 2 * SIZE, fault, at) as file, loop_device(file) as device:
        yield device


@pytest.mark.root
@pytest.mark.parametrize("kind", ["raw", "gz"])
@pytest.mark.parametrize("at", [0, 70_001, HEAD, CHUNK + 5, SIZE - 1])
def test_a_bit_that_is_wrong_twice_is_found_to_the_byte(at: int, kind: str, tmp_path: Path) -> None:
    image = packed(kind, IMAGE, tmp_path)
    with lying_drive(tmp_path, Fault.FLIP, at) as device, pytest.raises(VerifyFailed) as failure:
        to_drive(str(image), device)
    facts = failure.value.facts
    assert (facts["offset"], facts["exact"], facts["count"], facts["look"]) == (at, True, 1, "one-bit")
    assert f"at byte {at}" in failure.value.message
    assert "written twice" in failure.value.message
    assert "does not hold a usable image" in failure.value.message


@pytest.mark.root
@pytest.mark.parametrize("kind", ["raw", "gz"])
@pytest.mark.parametrize("at", [70_001, CHUNK + 5, SIZE - 1])
def test_a_bit_that_is_wrong_once_is_written_again(at: int, kind: str, tmp_path: Path) -> None:
    image = packed(kind, IMAGE, tmp_path)
    with lying_drive(tmp_path, Fault.FLIP_ONCE, at) as device:
        done = to_drive(str(image), device)
        assert content(device, SIZE) == IMAGE
    assert done.verified
    # The head is cleared first, and that is the time when the bit in it is wrong.
    assert done.rewritten == (0 if at < HEAD else 1)


@pytest.mark.root
def test_from_a_pipe_the_offset_is_that_of_the_grain(tmp_path: Path) -> None:
    at = 25 * HASH_BLOCK + 17
    with (
        lying_drive(tmp_path, Fault.FLIP, at) as device,
        subprocess.Popen(["cat", image_file(tmp_path)], stdout=subprocess.PIPE) as cat,
        open_drive(device) as target,
    ):
        assert cat.stdout is not None
        with Source(io.FileIO(cat.stdout.fileno(), closefd=False), "stdin") as source:
            [outcome] = flash(source, [FlashJob(target)], SilentProgress())
    assert isinstance(outcome.error, VerifyFailed)
    assert outcome.error.facts["offset"] == 25 * HASH_BLOCK
    assert outcome.error.facts["exact"] is False
    assert "within the 64 KiB" in outcome.error.message


@pytest.mark.root
@pytest.mark.parametrize(
    ("fault", "look"),
    [(Fault.LIMIT, "all-zero"), (Fault.ONES, "all-ones"), (Fault.WRAP, "other-offset")],
)
def test_what_a_drive_reads_as_is_told(fault: Fault, look: str, tmp_path: Path) -> None:
    at = 3 * MIB
    with lying_drive(tmp_path, fault, at) as device, pytest.raises(VerifyFailed) as failure:
        to_drive(image_file(tmp_path), device)
    assert failure.value.facts["look"] == look
    assert failure.value.facts["partition"] == 1
    if fault is not Fault.WRAP:
        assert failure.value.facts["offset"] == at
        assert failure.value.facts["count"] == (SIZE - at) // HASH_BLOCK + (1 if fault is Fault.ONES else 0)


@pytest.mark.root
def test_without_verification_nothing_is_called_verified(tmp_path: Path) -> None:
    with blank_loop(tmp_path, 2 * SIZE) as device:
        done = to_drive(image_file(tmp_path), device, verify=False)
        assert content(device, SIZE) == IMAGE
    assert not done.verified
    assert done.reading is None


# drives that cannot


@pytest.mark.root
def test_a_drive_that_is_too_small_is_refused_untouched(tmp_path: Path) -> None:
    with blank_loop(tmp_path, SIZE - MIB, fill=STALE) as device:
        with pytest.raises(Refused, match=f"has {SIZE - MIB} bytes, and the image has {SIZE}") as failure:
            to_drive(image_file(tmp_path), device)
        assert "Nothing was written" in failure.value.message
        assert content(device, SIZE) == STALE * (SIZE - MIB)


@pytest.mark.root
def test_a_stream_that_outgrows_the_drive_stops_there(tmp_path: Path) -> None:
    image = packed("gz", IMAGE, tmp_path)
    with (
        blank_loop(tmp_path, SIZE - 512) as device,
        pytest.raises(Refused, match=r"too small.*does not hold a usable image"),
    ):
        to_drive(str(image), device)


@pytest.mark.root
def test_a_read_only_drive_is_not_opened(tmp_path: Path) -> None:
    backing = tmp_path / "device.img"
    backing.write_bytes(bytes(2 * SIZE))
    with loop_device(backing, "--read-only") as device, pytest.raises(ResinError) as failure:
        to_drive(image_file(tmp_path), device)
    assert failure.value.exit in (4, 7)


@pytest.mark.root
def test_a_mounted_drive_is_busy_and_says_where(tmp_path: Path) -> None:
    with blank_loop(tmp_path, 2 * SIZE) as device:
        run("mkfs.ext4", "-q", device)
        with mounted(device, tmp_path / "mnt") as point, pytest.raises(Refused, match=str(point)):
            open_drive(device)


@pytest.mark.root
def test_a_drive_that_another_program_holds_is_refused_with_its_name(tmp_path: Path) -> None:
    with blank_loop(tmp_path, 2 * SIZE) as device:
        held = os.open(device, os.O_RDWR | os.O_EXCL)
        try:
            with pytest.raises(Refused, match="in use"):
                open_drive(device)
        finally:
            os.close(held)


# drives that lie


@pytest.mark.root
@pytest.mark.parametrize("fault", [Fault.DROP, Fault.FLIP, Fault.WRAP])
def test_a_drive_that_lies_is_found_out(fault: Fault, tmp_path: Path) -> None:
    at = 5 * MIB
    with (
        faulty_file(tmp_path, 2 * SIZE, fault, at) as file,
        loop_device(file) as device,
        pytest.raises(VerifyFailed) as failure,
    ):
        to_drive(image_file(tmp_path), device)
    assert "does not hold a usable image" in failure.value.message
    if fault is Fault.FLIP:
        assert failure.value.facts["offset"] == at
        assert failure.value.facts["count"] == 1


@pytest.mark.root
@pytest.mark.parametrize("fault", [Fault.WRITE_ERROR, Fault.READ_ERROR])
def test_an_io_error_names_its_place(fault: Fault, tmp_path: Path) -> None:
    with (
        faulty_file(tmp_path, 2 * SIZE, fault, CHUNK) as file,
        loop_device(file) as device,
        pytest.raises(IoFailed, match=rf"at byte {CHUNK} cannot be.*does not hold a usable image") as failure,
    ):
        to_drive(image_file(tmp_path), device)
    assert failure.value.facts["offset"] == CHUNK

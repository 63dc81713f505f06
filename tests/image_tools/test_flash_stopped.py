"""A flash that is stopped leaves nothing that could start, not even with what the card held before."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.card_images import MIB, card_image
from support.faulty_file import Fault, faulty_file
from support.flash_runs import content, to_drive, to_target
from support.loop_devices import blank_loop, loop_device, run

from image_tools.flash.target import HEAD, TAIL_SECTORS, open_drive
from resin_toolkit.errors import IoFailed, ResinError, VerifyFailed
from resin_toolkit.progress import SilentProgress, SilentStep

SIZE = 48 * MIB
DRIVE = SIZE + 2 * MIB
TAIL = TAIL_SECTORS * 512
IMAGE = card_image(SIZE)


@contextmanager
def used_card(folder: Path) -> Iterator[str]:
    """A drive that holds another system, with a GPT and its backup."""
    with blank_loop(folder, DRIVE, fill=b"\x5a") as device:
        run("sgdisk", "--zap-all", "--clear", "--new=1:2048:+8M", device)
        yield device


def assert_holds_no_system(device: str) -> None:
    found = content(device, DRIVE)
    assert not any(found[:HEAD])
    assert not any(found[-TAIL:])


@contextmanager
def flashing(device: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable,
        "-m",
        "resin_toolkit",
        "flash",
        "-",
        device,
        "--yes",
        "--allow-fixed",
        "--full",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def until(condition: str, device: str, at: int) -> None:
    """Wait until the byte at a place of the drive is what was written there, or is cleared."""
    wanted = IMAGE[at : at + 512] if condition == "written" else bytes(512)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        descriptor = os.open(device, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            if os.pread(descriptor, 512, at) == wanted:
                return
        finally:
            os.close(descriptor)
        time.sleep(0.02)
    raise AssertionError(f"byte {at} was not {condition}")


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("given", [2 * MIB, 20 * MIB])
def test_a_run_that_is_stopped_half_way_leaves_no_system(
    number: signal.Signals, given: int, tmp_path: Path
) -> None:
    with used_card(tmp_path) as device, flashing(device) as process:
        assert process.stdin is not None
        process.stdin.write(IMAGE[:given])
        process.stdin.flush()
        if given > 4 * MIB:
            until("written", device, given - 4 * MIB)
        else:
            until("cleared", device, 0)
            until("cleared", device, DRIVE - 512)
        process.send_signal(number)
        code = process.wait(30)
        assert process.stderr is not None
        told = process.stderr.read()
        assert_holds_no_system(device)
    if number is not signal.SIGKILL:
        assert code == 130
        assert b"cannot boot" in told
        assert b"Traceback" not in told


@pytest.mark.root
def test_a_killed_flash_leaves_no_system_or_the_whole_image(tmp_path: Path) -> None:
    numbers = random.Random(11)
    image = tmp_path / "image.img"
    image.write_bytes(IMAGE)
    stopped = 0
    with used_card(tmp_path) as device:
        before = content(device, DRIVE)
        for kill_late in (True, True, False) * 4:
            Path(device).write_bytes(before)
            command = [sys.executable, "-m", "resin_toolkit", "flash", str(image), device]
            with subprocess.Popen([*command, "--yes", "--allow-fixed", "--quiet"]) as process:
                # However busy the machine is: some kills fall anywhere, most behind the clearing of the head.
                while kill_late and process.poll() is None and any(content(device, HEAD)):
                    time.sleep(0.01)
                time.sleep(numbers.uniform(0, 0.3))
                process.kill()
            found = content(device, DRIVE)
            if not any(found[:HEAD]):
                stopped += 1
            else:
                assert found in (before, IMAGE + before[SIZE:-TAIL] + bytes(TAIL)) or partly_cleared(
                    found, before
                )
    assert stopped


def partly_cleared(found: bytes, before: bytes) -> bool:
    """Whether the kill came while the first MiB was being cleared, before anything was written."""
    return found[HEAD:-TAIL] == before[HEAD:-TAIL]


@pytest.mark.root
def test_the_head_comes_after_all_else_was_verified(tmp_path: Path) -> None:
    """A drive on which the end cannot be read back never gets the beginning of the image."""
    image = tmp_path / "image.img"
    image.write_bytes(IMAGE)
    with (
        faulty_file(tmp_path, DRIVE, Fault.READ_ERROR, SIZE - 5 * MIB) as file,
        loop_device(file) as device,
    ):
        with pytest.raises(IoFailed, match="cannot boot"):
            to_drive(str(image), device)
        assert not any(content(device, HEAD))


@pytest.mark.root
def test_a_head_that_cannot_be_written_right_is_cleared_again(tmp_path: Path) -> None:
    image = tmp_path / "image.img"
    image.write_bytes(IMAGE)
    at = next(place for place in range(300_000, HEAD) if IMAGE[place] & 0x04)
    with faulty_file(tmp_path, DRIVE, Fault.STUCK, at) as file, loop_device(file) as device:
        with pytest.raises(VerifyFailed, match=rf"at byte {at} .*written twice.*cannot boot"):
            to_drive(str(image), device)
        assert not any(content(device, HEAD))


@pytest.mark.root
@pytest.mark.parametrize("verify", [True, False])
def test_a_card_that_is_locked_is_found_before_anything_is_written(verify: bool, tmp_path: Path) -> None:
    """Without a later comparison too, such a flash is no success."""
    image = tmp_path / "image.img"
    image.write_bytes(IMAGE)
    with faulty_file(tmp_path, DRIVE, Fault.LIMIT, 0) as file:
        (tmp_path / "faulty-backing.img").write_bytes(b"\x5a" * DRIVE)
        with (
            loop_device(file) as device,
            open_drive(device) as target,
            pytest.raises(VerifyFailed, match="does not keep data"),
        ):
            to_target(str(image), target, progress=NothingIsWritten(), verify=verify)


class NothingIsWritten(SilentProgress):
    def step(self, name: str, total: int | None, *, subject: str = "") -> SilentStep:
        assert name != "writing"
        return super().step(name, total, subject=subject)


@pytest.mark.root
@pytest.mark.parametrize("fault", [Fault.LIMIT, Fault.WRITE_ERROR])
def test_a_drive_whose_old_system_could_not_be_cleared_is_not_called_clear(
    fault: Fault, tmp_path: Path
) -> None:
    """A worn-out card may refuse all that is written, or take it and lose it: then it starts as before."""
    image = tmp_path / "image.img"
    image.write_bytes(IMAGE)
    with faulty_file(tmp_path, DRIVE, fault, 0) as file:
        backing = tmp_path / "faulty-backing.img"
        backing.write_bytes(b"\x5a" * DRIVE)
        with (
            loop_device(file) as device,
            pytest.raises(ResinError, match="could not be cleared"),
        ):
            to_drive(str(image), device)
        assert peek(backing, 4096) == b"\x5a" * 4096


@pytest.mark.root
def test_a_counterfeit_card_that_wraps_is_cleared_again(tmp_path: Path) -> None:
    """What is written beyond its real size comes out at its start, over what was cleared."""
    image = tmp_path / "image.img"
    image.write_bytes(IMAGE)
    with faulty_file(tmp_path, DRIVE, Fault.WRAP, SIZE - 8 * MIB) as file, loop_device(file) as device:
        with pytest.raises(ResinError, match="cannot boot"):
            to_drive(str(image), device)
        assert not any(content(device, HEAD))


@pytest.mark.root
def test_a_run_that_is_stopped_while_its_head_is_read_back_leaves_no_system(tmp_path: Path) -> None:
    image = tmp_path / "image.img"
    image.write_bytes(IMAGE)
    backing = tmp_path / "faulty-backing.img"
    command = [sys.executable, "-m", "resin_toolkit", "flash", str(image)]
    with (
        faulty_file(tmp_path, DRIVE, Fault.SLOW_READ, 4096) as file,
        loop_device(file) as device,
        subprocess.Popen([*command, device, "--yes", "--allow-fixed"], stderr=subprocess.PIPE) as process,
    ):
        end = time.monotonic() + 60
        while peek(backing, HEAD) != IMAGE[:HEAD]:
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        told = process.stderr.read()
        assert process.wait(30) == 130
        assert b"cannot boot" in told
        assert not any(peek(backing, HEAD))


@pytest.mark.root
def test_a_second_interrupt_does_not_wait_for_a_drive_that_hangs(tmp_path: Path) -> None:
    at, backing = 8 * MIB, tmp_path / "faulty-backing.img"
    with (
        faulty_file(tmp_path, DRIVE, Fault.LATE, at) as file,
        loop_device(file) as device,
        flashing(device) as process,
    ):
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(IMAGE[: 16 * MIB])
        process.stdin.flush()
        end = time.monotonic() + 60
        while peek(backing, 512, at - 4 * MIB) != IMAGE[at - 4 * MIB :][:512]:
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        # Two that wait at the same time are one.
        while is_pending(process.pid, signal.SIGINT):
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        told = process.stderr.readline()
        assert not any(peek(backing, 512, at))
        process.wait(30)
    assert b"Interrupted" in told
    assert device.encode() in told


def is_pending(process: int, number: signal.Signals) -> bool:
    """Whether a signal was sent to a process and not yet delivered (proc_pid_status(5))."""
    status = Path(f"/proc/{process}/status").read_text()
    masks = [
        int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))
    ]
    return any(mask >> (number - 1) & 1 for mask in masks)


def peek(path: Path, count: int, at: int = 0) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(count)

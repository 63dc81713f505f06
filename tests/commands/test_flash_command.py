"""`resin flash` and `resin drives` as typed, in a process of their own."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.card_images import MIB, card_image, packed
from support.loop_devices import blank_loop, run
from support.resin_command import Terminal

SIZE = 5 * MIB + 512
IMAGE = card_image(SIZE)
RESIN = [sys.executable, "-m", "resin_toolkit"]


def resin(*words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*RESIN, *map(str, words)], input=stdin, capture_output=True, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def envelope(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return packed("raw", IMAGE, tmp_path)


# to a drive


@pytest.mark.root
@pytest.mark.parametrize("sector", [512, 4096])
def test_an_image_goes_to_a_drive_and_is_verified(sector: int, image: Path, tmp_path: Path) -> None:
    with blank_loop(tmp_path, 8 * MIB, sector=sector) as device:
        done = resin("flash", image, device, "--yes", "--allow-fixed")
        assert Path(device).read_bytes()[:SIZE] == IMAGE
    assert done.returncode == 0, done.stderr
    assert f"to {device}" in done.stdout
    assert "verified" in done.stdout


@pytest.mark.root
def test_the_result_as_json_comes_after_the_events(image: Path, tmp_path: Path) -> None:
    with blank_loop(tmp_path, 8 * MIB) as device:
        done = resin("flash", image, device, "--yes", "--allow-fixed", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["step"] for line in lines[:-1]] == ["writing", "verifying", "verifying the start"]
    assert all(line["event"] == "progress" for line in lines[:-1])
    assert lines[-1]["ok"] is True
    data = lines[-1]["data"]
    assert (data["bytes"], data["verified"]) == (SIZE, True)
    [target] = data["targets"]
    assert (target["target"], target["ok"], target["verified"]) == (device, True, True)
    assert target["write_seconds"] > 0
    assert done.stderr == ""


@pytest.mark.root
def test_without_verification_it_says_so(image: Path, tmp_path: Path) -> None:
    with blank_loop(tmp_path, 8 * MIB) as device:
        done = resin("flash", image, device, "--yes", "--allow-fixed", "--no-verify")
    assert "was not verified" in done.stdout


# without a target


@pytest.mark.root
def test_on_a_terminal_a_drive_is_picked_and_a_fixed_one_named(image: Path, tmp_path: Path) -> None:
    with (
        blank_loop(tmp_path, 8 * MIB) as device,
        on_terminal("flash", image, "--allow-fixed") as (terminal, process),
    ):
        [number] = numbers_of(device, until(terminal, b"Flash which drive?"))
        os.write(terminal, number + b"\n")
        seen = until(terminal, b"Type its name")
        assert b"8.00 MiB" in seen
        os.write(terminal, device.encode() + b"\n")
        until(terminal, None)
        assert process.wait(20) == 0
        assert Path(device).read_bytes()[:SIZE] == IMAGE


@pytest.mark.root
@pytest.mark.parametrize("size", [8 * MIB, 16 * MIB], ids=["same-size", "another-size"])
def test_a_drive_that_is_exchanged_during_the_question_is_refused(
    image: Path, tmp_path: Path, size: int
) -> None:
    other = tmp_path / "precious"
    other.write_bytes(b"precious" * (size // 8))
    with (
        blank_loop(tmp_path, 8 * MIB) as device,
        on_terminal("flash", image, device, "--allow-fixed") as (terminal, process),
    ):
        until(terminal, b"Type its name")
        run("losetup", "--detach", device)
        run("losetup", device, other)
        os.write(terminal, device.encode() + b"\n")
        shown = until(terminal, None)
        assert process.wait(20) == 4
        assert b"is no longer the drive that you confirmed" in shown
        assert b"Nothing was written" in shown
    assert other.read_bytes() == b"precious" * (size // 8)


@pytest.mark.root
def test_another_name_than_that_of_the_fixed_drive_declines(image: Path, tmp_path: Path) -> None:
    with (
        blank_loop(tmp_path, 8 * MIB) as device,
        on_terminal("flash", image, device, "--allow-fixed") as (terminal, process),
    ):
        until(terminal, b"Type its name")
        os.write(terminal, b"y\n")
        until(terminal, None)
        assert process.wait(20) == 4
        assert not any(Path(device).read_bytes())


@pytest.mark.root
def test_the_list_of_drives_follows_what_is_plugged_in(image: Path, tmp_path: Path) -> None:
    with on_terminal("flash", image, "--allow-fixed") as (terminal, process):
        until(terminal, b"Flash which drive?")
        with blank_loop(tmp_path, 8 * MIB) as device:
            [number] = numbers_of(device, until(terminal, b"Flash which drive?"))
            os.write(terminal, number + b"\n")
            until(terminal, b"Type its name")
            os.write(terminal, b"\x04")
            assert process.wait(20) == 4


@contextmanager
def on_terminal(*arguments: object) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A run of resin on a terminal of its own: our end of it, and the process."""
    ours, theirs = pty.openpty()
    command = [*RESIN, *map(str, arguments)]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        try:
            yield ours, process
        finally:
            process.kill()
            os.close(ours)


def until(terminal: int, mark: bytes | None) -> bytes:
    """What a terminal shows up to a mark, or up to its end."""
    seen, end = b"", time.monotonic() + 60
    while mark is None or mark not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"the terminal showed only {seen!r}"
        try:
            seen += os.read(terminal, 4096)
        except OSError:  # a terminal that nobody writes to any more
            break
    return seen


def numbers_of(device: str, seen: bytes) -> list[bytes]:
    return [line.split()[0] for line in seen.splitlines() if device.encode() + b" " in line]


# to a file


def test_a_new_file_needs_no_question(image: Path, tmp_path: Path) -> None:
    done = resin("flash", image, tmp_path / "card.img")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "card.img").read_bytes() == IMAGE


@pytest.mark.parametrize("kind", ["raw", "gz", "zip"])
def test_an_image_comes_from_stdin(kind: str, tmp_path: Path) -> None:
    data = packed(kind, IMAGE, tmp_path).read_bytes()
    done = resin("flash", "-", tmp_path / "card.img", stdin=data)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "card.img").read_bytes() == IMAGE


def test_no_image_comes_from_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal("flash", "-", str(tmp_path / "card.img"))
    assert terminal.end() == 2
    assert "stdin is a terminal" in terminal.plain
    assert not (tmp_path / "card.img").exists()


@pytest.mark.root
def test_a_file_that_is_attached_as_a_loop_device_is_refused(image: Path, tmp_path: Path) -> None:
    with blank_loop(tmp_path, 8 * MIB) as device:
        done = resin("flash", image, tmp_path / "device.img", "--yes")
        assert done.returncode == 4
        assert device in done.stderr
        assert not any(Path(device).read_bytes())


def test_a_file_in_shared_memory_is_a_file(image: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        goal = Path(folder) / "card.img"
        done = resin("flash", image, goal)
        assert done.returncode == 0, done.stderr
        assert goal.read_bytes() == IMAGE


@pytest.mark.parametrize(("kind", "unpacked"), [("raw", True), ("gz", True), ("gz", False), ("zip", False)])
def test_a_sha256_is_that_of_the_file_or_of_the_image(kind: str, unpacked: bool, tmp_path: Path) -> None:
    path = packed(kind, IMAGE, tmp_path)
    digest = hashlib.sha256(IMAGE if unpacked else path.read_bytes()).hexdigest()
    done = resin("flash", path, tmp_path / "card.img", "--sha256", digest.upper())
    assert done.returncode == 0, done.stderr


# images that are none, words that do not fit


@pytest.mark.root
def test_what_is_no_image_is_refused_before_a_byte_is_written(tmp_path: Path) -> None:
    page = packed("gz", b"<html>not found</html>" * 999, tmp_path)
    with blank_loop(tmp_path, 8 * MIB, fill=b"\xa5") as device:
        done = resin("flash", page, device, "--yes", "--allow-fixed", "--json")
        assert Path(device).read_bytes() == b"\xa5" * (8 * MIB)
    assert done.returncode == 1
    assert envelope(done)["error"]["code"] == "not-an-image"


# Ctrl-C


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_with_130_and_leaves_no_file(number: signal.Signals, tmp_path: Path) -> None:
    goal = tmp_path / "card.img"
    command = [*RESIN, "flash", "-", str(goal)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(IMAGE[: 4 * MIB + 65536])
        process.stdin.flush()
        while not (goal.exists() and goal.stat().st_size):
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(20) == 130
        assert b"Interrupted" in process.stderr.read()
        assert not goal.exists()
        process.stdin.close()


# resin drives


@pytest.mark.root
def test_drives_lists_only_those_that_may_be_flashed(tmp_path: Path) -> None:
    with blank_loop(tmp_path, 8 * MIB) as device:
        some, every = resin("drives"), resin("drives", "--all")
    assert some.returncode == every.returncode == 0
    assert device not in some.stdout
    [line] = [line for line in every.stdout.splitlines() if line.startswith(device + " ")]
    assert "fixed: needs --allow-fixed" in line
    assert "8.00 MiB" in line
    assert any("running system" in line for line in every.stdout.splitlines())


@pytest.mark.root
def test_drives_as_json(tmp_path: Path) -> None:
    with blank_loop(tmp_path, 8 * MIB) as device:
        done = resin("drives", "--all", "--json")
    [drive] = [drive for drive in envelope(done)["data"]["drives"] if drive["path"] == device]
    assert (drive["size"], drive["removable"], drive["flashable"]) == (8 * MIB, False, False)
    assert [line for line in done.stdout.splitlines() if line] == [done.stdout.strip()]


def test_no_drive_is_a_sentence_and_no_failure() -> None:
    done = resin("drives")
    assert done.returncode == 0
    assert done.stdout.startswith(("DRIVE", "No drive that can be flashed"))


@pytest.mark.root
@pytest.mark.parametrize("as_json", [False, True])
def test_drives_are_watched_until_ctrl_c(as_json: bool, tmp_path: Path) -> None:
    words = ["drives", "--all", "--watch", *(["--json"] if as_json else [])]
    with subprocess.Popen([*RESIN, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"present" in process.stdout.readline()
        backing = tmp_path / "device.img"
        backing.touch()
        os.truncate(backing, 8 * MIB)
        device = run("losetup", "--find", "--show", backing)
        # Other tests use loop devices too: this one a moment ago, and one whose name begins alike.
        ours = re.compile(rb"%b\b" % device.encode())
        try:
            for change in (b"plugged-in", b"changed", b"gone"):
                line = next(line for line in process.stdout if ours.search(line) and change in line)
                if change == b"plugged-in":
                    assert not as_json or json.loads(line)["drive"]["path"] == device
                    os.truncate(backing, 9 * MIB)
                    run("losetup", "--set-capacity", device)
                elif change == b"changed":
                    run("losetup", "--detach", device)
        finally:
            # Once detached it may be the loop device of another test.
            if device in run("losetup", "--noheadings", "--output", "NAME", "--associated", backing).split():
                run("losetup", "--detach", device)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()

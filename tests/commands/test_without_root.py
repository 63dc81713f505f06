"""Flashing as somebody who may not open drives: through udisks2, else with the line to run as root."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.conditions import POWERLESS
from support.card_images import MIB, card_image
from support.loop_devices import blank_loop
from support.resin_command import PROGRAM, Run, environment, program
from support.stand_in_udisks import message_bus, udisks

IMAGE = card_image(5 * MIB)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.img"
    path.write_bytes(IMAGE)
    return path


@contextmanager
def closed_loop(folder: Path) -> Iterator[str]:
    """A loop device that nobody may open."""
    with blank_loop(folder, 8 * MIB) as device:
        mode = Path(device).stat().st_mode
        Path(device).chmod(0)
        try:
            yield device
        finally:
            Path(device).chmod(mode)


def flash(image: Path, device: str, bus: str) -> Run:
    env = environment(DBUS_SYSTEM_BUS_ADDRESS=bus, RESIN_LOG="x")
    words = ("flash", image, device, "--yes", "--allow-fixed")
    return program(*words, env=env, command=(*POWERLESS, PROGRAM))


@pytest.mark.root
def test_udisks_opens_the_drive(image: Path, tmp_path: Path) -> None:
    with closed_loop(tmp_path) as device, message_bus(tmp_path) as bus, udisks(bus, "permit") as service:
        run = flash(image, device, bus)
        assert run.code == 0, run.err
        service.kill()
        assert service.stdout is not None
        calls = service.stdout.read().splitlines()
        found = Path(device).read_bytes()
    assert found[: len(IMAGE)] == IMAGE
    name = Path(device).name
    folder = f"/org/freedesktop/UDisks2/block_devices/{name}"
    assert f"org.freedesktop.UDisks2.Block.OpenDevice {folder}" in calls
    assert "every byte is right" in run.out


@pytest.mark.root
@pytest.mark.parametrize("manner", ["refuse", "nobody", "no bus"])
def test_without_it_the_line_to_run_as_root_is_shown(manner: str, image: Path, tmp_path: Path) -> None:
    with closed_loop(tmp_path) as device, message_bus(tmp_path) as bus:
        if manner == "refuse":
            with udisks(bus, "refuse"):
                run = flash(image, device, bus)
        else:
            run = flash(image, device, bus if manner == "nobody" else f"unix:path={tmp_path}/none")
        assert not any(Path(device).read_bytes())
    assert run.code == 7, run.err
    assert {"refuse": "did not allow"}.get(manner, "is not running") in run.err
    [hint] = [line for line in run.err.splitlines() if line.startswith("hint: ")]
    words = shlex.split(hint.split("root: ", 1)[1])
    assert (words[0], "RESIN_LOG" in words[1].removeprefix("--preserve-env=").split(",")) == ("sudo", True)
    assert words[2:] == [str(PROGRAM), "flash", str(image), device, "--yes", "--allow-fixed"]


@pytest.mark.root
def test_a_drive_that_udisks_finds_busy_is_in_use(image: Path, tmp_path: Path) -> None:
    with closed_loop(tmp_path) as device, message_bus(tmp_path) as bus, udisks(bus, "busy"):
        run = flash(image, device, bus)
    assert run.code == 4
    assert "in use" in run.err


@pytest.mark.root
def test_who_may_not_read_a_drive_is_shown_the_line_to_compare_it(image: Path, tmp_path: Path) -> None:
    with closed_loop(tmp_path) as device:
        run = program("verify", image, device, command=(*POWERLESS, PROGRAM))
    assert run.code == 7, run.err
    words = shlex.split(run.err.split("root: ", 1)[1])
    assert words[0] == "sudo"
    assert words[-4:] == [str(PROGRAM), "verify", str(image), device]


@pytest.mark.root
def test_the_line_shown_does_what_it_says(image: Path, tmp_path: Path) -> None:
    with closed_loop(tmp_path) as device, message_bus(tmp_path) as bus:
        run = flash(image, device, bus)
        [hint] = [line for line in run.err.splitlines() if line.startswith("hint: ")]
        words = shlex.split(hint.split("root: ", 1)[1])
        # What sudo would run.
        assert program(command=words[2:]).code == 0
        assert Path(device).read_bytes()[: len(IMAGE)] == IMAGE
    assert os.geteuid() == 0

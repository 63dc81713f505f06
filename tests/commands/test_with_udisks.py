"""Flashing as somebody who may not open drives, by udisks2 itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.card_images import MIB, card_image
from support.loop_devices import blank_loop
from support.real_udisks import served
from support.resin_command import PROGRAM

IMAGE = card_image(5 * MIB)
POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


@pytest.mark.root
def test_udisks_opens_the_drive_for_this_program_alone(tmp_path: Path) -> None:
    image = tmp_path / "image.img"
    image.write_bytes(IMAGE)
    with blank_loop(tmp_path, 8 * MIB) as device:
        mode = Path(device).stat().st_mode
        try:
            done = served(device, *POWERLESS, PROGRAM, "flash", image, device, "--yes", "--allow-fixed")
        finally:
            Path(device).chmod(mode)
        found = Path(device).read_bytes()
    assert done.returncode == 0, done.stderr
    assert "every byte is right" in done.stdout
    assert found[: len(IMAGE)] == IMAGE

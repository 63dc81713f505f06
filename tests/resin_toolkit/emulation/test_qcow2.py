"""Overlays, checked with QEMU: what was not written is read from the image."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from resin_toolkit.emulation.qcow2 import write_overlay

MIB = 1 << 20
GIB = 1 << 30


def qemu_io(overlay: Path, beneath: Path, *commands: str) -> str:
    """The output of QEMU's monitor for qemu-io commands."""
    nodes = {
        "driver": "qcow2",
        "file": {"driver": "file", "filename": str(overlay)},
        "backing": {"driver": "raw", "read-only": True, "file": {"driver": "file", "filename": str(beneath)}},
    }
    described = json.dumps(nodes).replace(",", ",,")
    drive = f"if=none,id=disk,file=json:{described}"
    words = [
        "qemu-system-x86_64",
        "-nodefaults",
        "-display",
        "none",
        "-S",
        "-monitor",
        "stdio",
        "-drive",
        drive,
    ]
    typed = "".join(f'qemu-io disk "{command}"\n' for command in commands) + "quit\n"
    return subprocess.run(words, input=typed, capture_output=True, text=True, check=True).stdout


def test_an_overlay_takes_writes_and_shows_the_image_elsewhere(tmp_path: Path) -> None:
    beneath, overlay = tmp_path / "beneath", tmp_path / "overlay"
    beneath.write_bytes(b"\x05" * MIB)
    with overlay.open("wb") as file:
        write_overlay(file, 64 * GIB)
    written = qemu_io(overlay, beneath, "write -P 7 512k 4M", "write -P 8 63G 3M", "flush")
    assert written.count("wrote ") == 2
    read = ("read -P 5 0 512k", "read -P 7 512k 4M", "read -P 0 5M 1M", "read -P 8 63G 3M", "length")
    again = qemu_io(overlay, beneath, *read)
    assert again.count("read ") >= 4
    assert "failed" not in again.lower()
    assert "64 GiB" in again
    assert beneath.read_bytes() == b"\x05" * MIB

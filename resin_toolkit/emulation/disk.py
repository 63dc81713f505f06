"""The disk of an emulated machine: the image itself, or the image under an overlay that takes the writes."""

from __future__ import annotations

import os
import shlex
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from resin_toolkit.emulation.machines import Machine
from resin_toolkit.emulation.qcow2 import write_overlay
from resin_toolkit.errors import Refused


@dataclass(frozen=True)
class EmulatedDisk:
    """The disk as QEMU opens it."""

    path: str
    """A path, or /dev/fd/N."""
    is_drive: bool
    overlay: IO[bytes] | None
    """The file that takes the writes; None if they go to the image."""


def prepare_disk(
    path: str, size: int, machine: Machine, stack: ExitStack, *, is_drive: bool, snapshot: bool
) -> EmulatedDisk:
    """Make the image at `path`, of `size` bytes, the disk of a machine; `stack` closes the overlay.

    With `snapshot`, writes go to an overlay that is lost afterwards. QEMU accepts only an SD card whose size
    is a power of two: an overlay is that large, without one Refused is raised.
    """
    disk_size = size if machine.is_pc else 1 << (size - 1).bit_length()
    if snapshot:
        overlay = stack.enter_context(temporary_file())
        write_overlay(overlay, disk_size)
        return EmulatedDisk(path, is_drive, overlay)
    if disk_size != size:
        enlarge = "." if is_drive else f", or enlarge it: truncate --size={disk_size} {shlex.quote(path)}"
        raise Refused(
            f"{path} has {size} bytes, but QEMU requires an SD card size that is a power of two.",
            hint=f"Use --snapshot, which leaves the image unchanged{enlarge}",
        )
    return EmulatedDisk(path, is_drive, None)


def temporary_file() -> BinaryIO:
    """Open an unnamed file for as much as a machine may write: not in /tmp, which is often in memory."""
    folder = None if os.environ.get("TMPDIR") or not Path("/var/tmp").is_dir() else "/var/tmp"
    return tempfile.TemporaryFile(dir=folder)

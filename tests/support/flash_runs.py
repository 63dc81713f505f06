"""Flashing from start to end, as the tests do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from image_tools.flash import FlashJob, FlashOptions, TargetResult, flash
from image_tools.flash.target import Target, open_drive, open_file
from image_tools.source import open_source
from resin_toolkit.progress import Progress, SilentProgress
from support.card_images import MIB, card_image

SIZE = 6 * MIB
IMAGE = card_image(SIZE)
STALE = b"\xa5"
"""What a drive is full of before it is flashed."""


def image_file(folder: Path, data: bytes = IMAGE) -> str:
    path = folder / "image.img"
    path.write_bytes(data)
    return str(path)


def to_drive(image: str, device: str, **options: Any) -> TargetResult:
    with open_drive(device) as target:
        return to_target(image, target, **options)


def to_file(image: str, path: Path, **options: Any) -> TargetResult:
    with open_file(str(path)) as target:
        return to_target(image, target, **options)


def to_target(
    image: str, target: Target, *, progress: Progress | None = None, **options: Any
) -> TargetResult:
    """The outcome of the one target; what it failed with is raised."""
    how = FlashOptions(**options)
    with open_source(image, digest=how.sha256 is not None) as source:
        [outcome] = flash(source, [FlashJob(target)], progress or SilentProgress(), how)
    if outcome.error is not None:
        raise outcome.error
    return outcome


def content(device: str, count: int) -> bytes:
    with open(device, "rb") as file:  # noqa: PTH123
        return file.read(count)

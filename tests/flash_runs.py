"""Flashing from start to end, as the tests do it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from card_images import MIB, card_image

from image_tools.flash import Flashed, flash
from image_tools.flash.target import Target, open_drive, open_file
from image_tools.source import open_source
from resin_toolkit.progress import Silent

SIZE = 6 * MIB
IMAGE = card_image(SIZE)


def image_file(folder: Path, data: bytes = IMAGE) -> str:
    path = folder / "image.img"
    path.write_bytes(data)
    return str(path)


def to_drive(image: str, device: str, **options: bool) -> Flashed:
    with open_source(image) as source, open_drive(device) as target:
        done = flash(source, target, Silent(), **options)
        target.finish()
        return done


def to_file(image: str, path: Path) -> Flashed:
    with open_source(image) as source, open_file(str(path)) as target:
        done = flash(source, target, Silent())
        target.finish()
        return done


def content(device: str, count: int) -> bytes:
    with open(device, "rb") as file:  # noqa: PTH123
        return file.read(count)


@contextmanager
def flashed(image: str, device: str) -> Iterator[Target]:
    with open_source(image) as source, open_drive(device) as target:
        flash(source, target, Silent())
        yield target
        target.finish()

"""Small disk images for flashing, and every way to pack them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
import zipfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import zstandard

MIB = 1024 * 1024


def card_image(size: int, *, seed: int = 7) -> bytes:
    """A disk with an MBR, one partition, and bytes that do not repeat, of exactly `size` bytes."""
    entry = struct.pack("<B3sB3sII", 0, b"\0\0\0", 0x83, b"\0\0\0", 64, max(1, size // 512 - 64))
    boot_sector = (bytes(446) + entry).ljust(510, b"\0") + b"\x55\xaa"
    return (boot_sector + random.Random(seed).randbytes(max(0, size - 512)))[:size]


def zipped(data: bytes, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.img", data)
    return path


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data)


PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "bz2": lambda data: bz2.compress(data, 1),
    "zst": zstd,
}


def packed(kind: str, data: bytes, folder: Path) -> Path:
    """The image as a file of that kind, under a name that tells nothing."""
    path = folder / f"image-{kind}"
    if kind == "zip":
        return zipped(data, path)
    path.write_bytes(data if kind == "raw" else _packed(kind, data))
    return path


@lru_cache(maxsize=16)
def _packed(kind: str, data: bytes) -> bytes:
    return PACKERS[kind](data)


KINDS = ("raw", *PACKERS, "zip")

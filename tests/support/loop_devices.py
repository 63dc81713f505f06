"""Loop devices for tests, and file systems mounted from them; all need root, and are gone afterwards."""

from __future__ import annotations

import ctypes
import fcntl
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1024 * 1024
_BLKPG, _ADD, _REMOVE = 0x1269, 1, 2


def run(*command: str | Path, stdin: str | None = None) -> str:
    """The standard output of a tool that has to succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(words)} failed: {done.stdout}{done.stderr}")
    return done.stdout.strip()


@contextmanager
def loop_device(backing: Path, *options: str, sector: int = 512) -> Iterator[str]:
    """The path of a loop device over a file."""
    device = run("losetup", "--find", "--show", "--sector-size", str(sector), *options, backing)
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


@contextmanager
def blank_loop(folder: Path, size: int, *, sector: int = 512, fill: bytes = b"") -> Iterator[str]:
    """A loop device over a new file, sparse or filled with a byte."""
    backing = folder / "device.img"
    with backing.open("wb") as file:
        for _ in range(size // MIB if fill else 0):
            file.write(fill * MIB)
        file.truncate(size)
    with loop_device(backing, sector=sector) as device:
        yield device


@contextmanager
def partition_node(device: str, start: int, sectors: int) -> Iterator[str]:
    """The path of a partition that the kernel is told of, also one that reads no tables by itself."""
    _tell_of_partition(device, _ADD, start * 512, sectors * 512)
    try:
        yield f"{device}p1"
    finally:
        _tell_of_partition(device, _REMOVE)


def _tell_of_partition(device: str, operation: int, start: int = 0, length: int = 0) -> None:
    """Of its first one, in bytes: BLKPG of linux/blkpg.h. Not every Debian has addpart(8)."""
    partition = ctypes.create_string_buffer(struct.pack("qqi128x4x", start, length, 1))
    told = struct.pack("iiiP", operation, 0, len(partition.raw), ctypes.addressof(partition))
    with Path(device).open("rb") as file:
        fcntl.ioctl(file, _BLKPG, told)


@contextmanager
def mounted(device: str, folder: Path) -> Iterator[Path]:
    """The folder on which the device's file system is mounted."""
    folder.mkdir(exist_ok=True)
    run("mount", device, folder)
    try:
        yield folder
    finally:
        run("umount", folder)


@contextmanager
def small_file_system(folder: Path, size: int) -> Iterator[Path]:
    """The mount point of an ext4 of `size` bytes."""
    with blank_loop(folder, size) as device:
        run("mkfs.ext4", "-q", "-m", "0", device)
        with mounted(device, folder / "mounted") as point:
            yield point

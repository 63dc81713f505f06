"""Loop devices over files that are allocated beforehand, and how they are cleared between runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from os_image import MIB, run


@dataclass(frozen=True)
class Device:
    path: str
    backing: Path

    def forget(self) -> None:
        """Drop what the caches hold of the device and of its file, and of nothing else."""
        run("blockdev", "--flushbufs", self.path)
        with self.backing.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def scrub(self) -> None:
        """Fill the whole device with 0xA5, so that what a run leaves out shows."""
        pattern = b"\xa5" * (4 * MIB)
        with Path(self.path).open("r+b", buffering=0) as file:
            for _ in range(self.backing.stat().st_size // len(pattern)):
                file.write(pattern)
            os.fsync(file.fileno())
        self.forget()


@contextmanager
def loop_device(backing: Path, size: int, *, direct: bool) -> Iterator[Device]:
    """With `direct`, nothing that is written stays in memory: what is read back comes from the disk."""
    if not backing.exists() or backing.stat().st_size != size:
        with backing.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    option = f"--direct-io={'on' if direct else 'off'}"
    path = run("losetup", "--find", "--show", option, backing).strip()
    try:
        yield Device(path, backing)
    finally:
        run("losetup", "--detach", path)


def read_into_cache(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(4 * MIB):
            pass

"""An image opened for an emulator: locked against changes by others, with what can be booted from it."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from image_tools.boot_partition import open_boot
from image_tools.drives import check_not_attached
from image_tools.fat import FatFileSystem
from image_tools.image_file import open_for_reading, open_for_writing
from image_tools.os_info import OsInfo, read_os_info
from image_tools.partitions import read_table
from image_tools.pc_boot import Startup, read_startup
from resin_toolkit.errors import Notice, PartitionNotFound, Refused, Usage
from resin_toolkit.memory_limit import DEFAULT_MEMORY_LIMIT
from resin_toolkit.progress import Progress

_SECTOR = 512


@dataclass(frozen=True)
class BootableImage:
    """An open image. `boot` and `os` are None if it has no boot partition."""

    file: BinaryIO
    path: str
    """The path, or /dev/fd/N, at which a process that inherits `file` opens the image."""
    is_drive: bool
    size: int
    """In bytes, rounded up to a whole sector."""
    boot: FatFileSystem | None
    os: OsInfo | None
    startup: Startup
    notices: tuple[Notice, ...]


@contextmanager
def open_bootable(
    image: Path,
    progress: Progress,
    *,
    writable: bool,
    partition: int | None = None,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
) -> Iterator[BootableImage]:
    """Open an image or a drive until the block ends; unless `writable`, a compressed one is unpacked.

    `partition` is the number of the boot partition, None to find it; `memory_limit` is that of `open_source`.

    Raises Usage for a compressed image that would be written to, Refused if another program changes or has
    attached the image, PartitionNotFound, NotAnImage, and the errors of a damaged image.
    """
    if writable:
        if not stat.S_ISBLK(image.stat().st_mode):
            check_not_attached(str(image))
        with _open_for_writing(image) as file:
            yield _inspect(image, file, partition)
    else:
        with open_for_reading(image, progress, memory_limit) as file:
            _lock_shared(image, file)
            yield _inspect(image, file, partition)


@contextmanager
def _open_for_writing(image: Path) -> Iterator[BinaryIO]:
    """Like `open_for_writing`, with a hint that fits an emulator."""
    entered = False
    try:
        with open_for_writing(image) as file:
            entered = True
            yield file
    except Usage as error:
        if entered:
            raise
        raise Usage(
            f"{image} is compressed and cannot be written to.",
            hint="Use --snapshot to discard writes, or unpack it with `resin configure IMAGE --output FILE`.",
        ) from error


def _lock_shared(image: Path, file: BinaryIO) -> None:
    """Keep other runs of `resin` from changing the image, unless `file` is an unpacked copy of it."""
    if not os.path.samestat(os.fstat(file.fileno()), image.stat()):
        return
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(f"Another program is changing {image}.", hint="Wait until it is done.") from None


def _inspect(image: Path, file: BinaryIO, partition: int | None) -> BootableImage:
    table = read_table(file)
    notices = tuple(table.notices)
    boot, info = None, None
    try:
        found = open_boot(file, partition)
    except PartitionNotFound:
        # A disk with only a boot loader in its first sector can be booted, too.
        if partition is not None:
            raise
    else:
        notices += tuple(found.notices)
        boot, info = found.filesystem, read_os_info(found.filesystem, found.partition.name)
    status = os.fstat(file.fileno())
    is_named = os.path.samestat(status, image.stat())
    return BootableImage(
        file=file,
        path=str(image.absolute()) if is_named else f"/dev/fd/{file.fileno()}",
        is_drive=stat.S_ISBLK(status.st_mode),
        size=-(-table.size // _SECTOR) * _SECTOR,
        boot=boot,
        os=info,
        startup=read_startup(file, table, boot),
        notices=notices,
    )

"""The image that `resin emulate` boots: opened, kept from being changed meanwhile, and looked into."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from commands.common.drive_text import described
from image_tools.boot_partition import open_boot
from image_tools.drives import check_not_attached, find_drive
from image_tools.image_file import opened_for_reading, opened_for_writing
from image_tools.os_info import OsInfo, read_os_info
from image_tools.partitions import read_table
from image_tools.pc_boot import Startup, read_startup
from resin_toolkit.errors import Declined, PartitionNotFound, Refused, Usage
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from image_tools.fat import FatFileSystem

_SECTOR = 512


@dataclass(frozen=True)
class EmulatedImage:
    """An image, open, and what it says of itself; `boot` is None where it has no boot partition."""

    file: BinaryIO
    place: str
    """By which a process that inherits `file` opens it."""
    is_drive: bool
    size: int
    boot: FatFileSystem | None
    os: OsInfo | None
    startup: Startup


@contextmanager
def opened(image: Path, report: Report, *, snapshot: bool, partition: int | None) -> Iterator[EmulatedImage]:
    """The image, until the block ends; with `snapshot` it is only read, and unpacked if it has to be.

    Raises Usage for a packed one that would be written to, Refused where another program changes or has
    attached it, or a drive must not be written to, and what reading a damaged one raises.
    """
    if snapshot:
        with opened_for_reading(image, report.progress()) as file:
            _hold(image, file)
            yield _looked_into(image, file, partition, report)
        return
    is_drive = stat.S_ISBLK(image.stat().st_mode)
    if is_drive:
        _agree(str(image), report)
    else:
        check_not_attached(str(image))
    with _for_writing(image) as file:
        yield _looked_into(image, file, partition, report)


def temporary() -> BinaryIO:
    """A file without a name, for as much as a machine may write: not in memory, where /tmp often is."""
    folder = None if os.environ.get("TMPDIR") or not Path("/var/tmp").is_dir() else "/var/tmp"
    return tempfile.TemporaryFile(dir=folder)


@contextmanager
def _for_writing(image: Path) -> Iterator[BinaryIO]:
    """As `opened_for_writing`, with advice that fits here."""
    entered = False
    try:
        with opened_for_writing(image) as file:
            entered = True
            yield file
    except Usage as error:
        if entered:
            raise
        raise Usage(
            f"{image} is compressed and cannot be written to.",
            hint="--snapshot boots it, changes are lost; `resin configure IMAGE --output FILE` unpacks it.",
        ) from error


def _agree(path: str, report: Report) -> None:
    """Return if the user agrees that a drive is written to; a fixed one's name has to be typed."""
    drive = find_drive(path)
    for refusal in drive.refusals:
        raise Refused(
            f"{drive.path} {refusal.message}.", hint=f"{refusal.hint} --snapshot writes nothing.".strip()
        )
    text = f"{described(drive)}\nWhat boots from {drive.path} writes to it."
    if drive.removable or report.settings.yes or not report.interactive:
        report.confirm(f"{text} Continue?")
    elif report.ask(f"{text}\n{path} is a fixed drive. Type its name to continue") not in (
        path,
        Path(path).name,
    ):
        raise Declined("Declined; nothing was changed.", hint="Type the drive's name to continue.")


def _hold(image: Path, file: BinaryIO) -> None:
    """Keep other runs of `resin` from changing what is read, unless it is a copy that was unpacked."""
    if not os.path.samestat(os.fstat(file.fileno()), image.stat()):
        return
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(f"Another program is changing {image}.", hint="Wait until it is done.") from None


def _looked_into(image: Path, file: BinaryIO, partition: int | None, report: Report) -> EmulatedImage:
    table = read_table(file)
    report.warn(*table.notices)
    boot, info = None, None
    try:
        found = open_boot(file, partition)
    except PartitionNotFound:
        # A disk that only a loader in its first sector knows how to start is one, too.
        if partition is not None:
            raise
    else:
        report.warn(*found.notices)
        boot, info = found.filesystem, read_os_info(found.filesystem, found.partition.name)
    status = os.fstat(file.fileno())
    is_named = os.path.samestat(status, image.stat())
    return EmulatedImage(
        file=file,
        place=str(image.absolute()) if is_named else f"/dev/fd/{file.fileno()}",
        is_drive=stat.S_ISBLK(status.st_mode),
        size=-(-table.size // _SECTOR) * _SECTOR,
        boot=boot,
        os=info,
        startup=read_startup(file, table, boot),
    )

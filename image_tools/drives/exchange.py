"""Recognising that a drive, or the medium in a card reader, was exchanged for another one."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

from image_tools.drives.listing import find_drive
from image_tools.drives.model import Drive
from image_tools.drives.sysfs import Sysfs
from resin_toolkit.errors import Refused, ResinError

_BLKGETDISKSEQ = 0x80081280
"""Linux 5.15, include/uapi/linux/fs.h."""
_BLKGETSIZE64 = 0x80081272


def disk_sequence(descriptor: int) -> int | None:
    """The disk sequence number of an open drive; None if the kernel does not count."""
    try:
        return int(struct.unpack("Q", fcntl.ioctl(descriptor, _BLKGETDISKSEQ, bytes(8)))[0])
    except OSError:
        return None


def _size(descriptor: int) -> int | None:
    """The size of an open drive in bytes; None once it is gone."""
    try:
        return int(struct.unpack("Q", fcntl.ioctl(descriptor, _BLKGETSIZE64, bytes(8)))[0])
    except OSError:
        return None


def _identity(drive: Drive) -> tuple[object, ...]:
    """What tells a drive from others where the kernel has no disk sequence numbers."""
    return drive.serial, drive.size, drive.location


def check_not_exchanged(shown: Drive, descriptor: int) -> None:
    """Raise Refused unless the open drive is the one that was shown to the user, with the same medium."""
    sysfs = Sysfs()
    name = Path(shown.path).name
    same = sysfs.device_name(os.fstat(descriptor).st_rdev) == name
    if same and shown.sequence is not None:
        same = disk_sequence(descriptor) in (None, shown.sequence)
    if same:
        try:
            now = find_drive(shown.path)
        except ResinError:
            same = False
        else:
            known = None not in (now.sequence, shown.sequence)
            same = _identity(now) == _identity(shown) and (not known or now.sequence == shown.sequence)
    if not same:
        raise exchanged(shown.path)


def medium_check(descriptor: int, path: str) -> Callable[[], None]:
    """A function that raises Refused if the medium of an open drive is not the present one any more."""
    present = disk_sequence(descriptor), _size(descriptor)

    def check() -> None:
        if (disk_sequence(descriptor), _size(descriptor)) != present:
            raise exchanged(path)

    return check


def exchanged(path: str) -> Refused:
    """The error for a drive that is no longer the one that was confirmed."""
    return Refused(
        f"{path} is no longer the drive that you confirmed: the drive or its medium was exchanged.",
        hint="Check which drive it is now with `resin drives`, and start again.",
        path=path,
        reason="exchanged",
    )

"""Recognising that a drive, or the medium in a card reader, was exchanged for another one."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from image_tools.drives.listing import find_drive
from image_tools.drives.model import Drive
from image_tools.drives.sysfs import Sysfs
from resin_toolkit.errors import Refused, ResinError

_BLKGETDISKSEQ = 0x80081280
"""Linux 5.15, include/uapi/linux/fs.h."""


def disk_sequence(descriptor: int) -> int | None:
    """The disk sequence number of an open drive; None if the kernel does not count."""
    try:
        return int(struct.unpack("Q", fcntl.ioctl(descriptor, _BLKGETDISKSEQ, bytes(8)))[0])
    except OSError:
        return None


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
            same = (now.sequence, now.serial, now.size) == (shown.sequence, shown.serial, shown.size)
    if not same:
        raise exchanged(shown.path)


def exchanged(path: str) -> Refused:
    """The error for a drive that is no longer the one that was confirmed."""
    return Refused(
        f"{path} is no longer the drive that you confirmed: the drive or its medium was exchanged.",
        hint="Check which drive it is now with `resin drives`, and start again.",
        path=path,
        reason="exchanged",
    )

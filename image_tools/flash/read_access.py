"""Whether a target can be read back from the medium itself, or only through a cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from image_tools.drives.sysfs import Sysfs

_PAST_THE_CACHE = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "exfat", "ntfs3", "jfs"})
"""File systems on which direct reads bypass the cache."""


@dataclass(frozen=True)
class ReadAccess:
    """Whether a target is read back past the page cache, and if not, why."""

    past_cache: bool
    reason: str = ""


def file_read_access(path: str) -> ReadAccess:
    kind = file_system_of(path)
    if kind in _PAST_THE_CACHE:
        return ReadAccess(True)
    return ReadAccess(False, f"it is on {kind or 'an unknown file system'}")


def drive_read_access(path: str) -> ReadAccess:
    """Direct reads bypass the page cache of a drive; the file behind a loop device has a cache of its own."""
    sysfs = Sysfs()
    name = Path(path).name
    backing = sysfs.backing_file(name)
    if not backing or sysfs.value(name, "loop/dio") == "1":
        return ReadAccess(True)
    try:
        descriptor = os.open(backing, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ReadAccess(False, "the file behind the loop device is cached and cannot be opened")
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    kind = file_system_of(backing)
    if kind in _PAST_THE_CACHE or kind.startswith("fuse"):
        return ReadAccess(True)
    return ReadAccess(False, f"the file behind the loop device is on {kind or 'an unknown file system'}")


def file_system_of(path: str) -> str:
    """The type of the file system that holds a file; empty if unknown."""
    device = Path(path).stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        front, _, back = line.partition(" - ")
        if front.split()[2] == number:
            return back.split()[0]
    return ""

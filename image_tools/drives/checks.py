"""Checks before a drive or file is written to; each raises Refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from image_tools.drives.model import Drive
from image_tools.drives.sysfs import Sysfs
from resin_toolkit.errors import Refused


def check_flashable(drive: Drive, *, allow_fixed: bool = False) -> None:
    """Raise Refused unless the drive may be overwritten; `allow_fixed` permits fixed drives."""
    for refusal in drive.refusals:
        raise Refused(
            f"{drive.path} {refusal.message}.",
            hint=refusal.hint,
            path=drive.path,
            reason=refusal.reason.value,
        )
    if not drive.removable and not allow_fixed:
        raise Refused(
            f"{drive.path} ({drive.title}) is a fixed drive, not an SD card or USB stick.",
            hint="If it is the right drive, use --allow-fixed.",
            path=drive.path,
            reason="fixed",
        )


def check_fits(drive: Drive, size: int | None) -> None:
    """Raise Refused if an image of `size` bytes (None if unknown) is larger than the drive."""
    if size is not None and size > drive.size:
        raise Refused(
            f"{drive.path} is too small: it has {drive.size} bytes, and the image has {size}.",
            hint="Choose a larger drive.",
            path=drive.path,
            capacity=drive.size,
            needed=size,
        )


def check_not_source(image: str, target: str) -> None:
    """Raise Refused if the target is the image itself, also through a link or a loop device."""
    try:
        source, goal = Path(image).stat(), Path(target).stat()
    except OSError:
        return
    same = os.path.samestat(source, goal)
    if stat.S_ISBLK(goal.st_mode):
        sysfs = Sysfs()
        name = sysfs.device_name(goal.st_rdev)
        backing = sysfs.backing_file(sysfs.disk_of(name)) if name else ""
        same = (stat.S_ISBLK(source.st_mode) and source.st_rdev == goal.st_rdev) or _is_file(backing, source)
    elif stat.S_ISBLK(source.st_mode):
        sysfs = Sysfs()
        name = sysfs.device_name(source.st_rdev)
        same = _is_file(sysfs.backing_file(sysfs.disk_of(name)) if name else "", goal)
    if same:
        raise Refused(
            f"{target} is the image {image} itself; writing would destroy it.",
            hint="Name another drive or file as the target.",
        )


def check_does_not_carry(drive: Drive, image: str) -> None:
    """Raise Refused if the file `image` is stored on the drive, through any layers."""
    sysfs = Sysfs()
    place = sysfs.device_of_file(image)
    if place is not None and Path(drive.path).name in sysfs.underlying_disks(place):
        raise Refused(
            f"The image {image} is stored on {drive.path}; writing would destroy it.",
            hint="Copy the image to another drive first.",
        )


def check_not_attached(path: str) -> None:
    """Raise Refused if the file is attached to a loop device, where its file system may be in use."""
    try:
        status = Path(path).stat()
    except OSError:
        return
    sysfs = Sysfs()
    for disk in sysfs.disks():
        if _is_file(sysfs.backing_file(disk), status):
            raise Refused(
                f"{path} is attached as /dev/{disk} and may be in use.",
                hint=f"Name /dev/{disk} itself, or detach it first: losetup --detach /dev/{disk}",
            )


def _is_file(backing: str, status: os.stat_result) -> bool:
    try:
        return bool(backing) and os.path.samestat(Path(backing).stat(), status)
    except OSError:
        return False

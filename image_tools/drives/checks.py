"""What keeps a drive from being written to: each raises Refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from image_tools.drives.model import Drive
from image_tools.drives.sysfs import Kernel
from resin_toolkit.errors import Refused


def check_flashable(drive: Drive, *, allow_fixed: bool = False) -> None:
    """Return if the drive may be overwritten, else raise Refused; `allow_fixed` lifts only the last guard."""
    for refusal in drive.refusals:
        raise Refused(
            f"{drive.path} {refusal.message}.",
            hint=refusal.hint,
            path=drive.path,
            reason=refusal.reason.value,
        )
    if not drive.removable and not allow_fixed:
        raise Refused(
            f"{drive.path} ({drive.title}) is a fixed drive, not a card or stick.",
            hint="If it is the right one, use --allow-fixed.",
            path=drive.path,
            reason="fixed",
        )


def check_fits(drive: Drive, size: int | None) -> None:
    """Raise Refused where an image of `size` bytes, None if unknown, is larger than the drive."""
    if size is not None and size > drive.size:
        raise Refused(
            f"{drive.path} is too small: it has {drive.size} bytes and the image needs {size}.",
            hint="Choose a larger drive.",
            path=drive.path,
            capacity=drive.size,
            needed=size,
        )


def check_not_source(image: str, target: str) -> None:
    """Raise Refused where the target is the image itself: by a link, or by a loop device over it."""
    try:
        source, goal = Path(image).stat(), Path(target).stat()
    except OSError:
        return
    same = os.path.samestat(source, goal)
    if stat.S_ISBLK(goal.st_mode):
        kernel = Kernel()
        name = kernel.name_at(goal.st_rdev)
        backing = kernel.backing_file(kernel.disk_of(name)) if name else ""
        same = (stat.S_ISBLK(source.st_mode) and source.st_rdev == goal.st_rdev) or _is_file(backing, source)
    elif stat.S_ISBLK(source.st_mode):
        kernel = Kernel()
        name = kernel.name_at(source.st_rdev)
        same = _is_file(kernel.backing_file(kernel.disk_of(name)) if name else "", goal)
    if same:
        raise Refused(
            f"{target} is the image {image} itself: writing would destroy what is read.",
            hint="Name another drive or file as the target.",
        )


def check_does_not_carry(drive: Drive, image: str) -> None:
    """Raise Refused where the file `image` lies on the drive, through every layer."""
    kernel = Kernel()
    place = kernel.device_of_file(image)
    if place is not None and Path(drive.path).name in kernel.disks_beneath(place):
        raise Refused(
            f"{drive.path} carries the image {image}: writing would destroy what is read.",
            hint="Copy the image to another drive first.",
        )


def check_not_attached(path: str) -> None:
    """Raise Refused where a loop device lies over the file: it may hold a file system that is in use."""
    try:
        status = Path(path).stat()
    except OSError:
        return
    kernel = Kernel()
    for disk in kernel.disks():
        if _is_file(kernel.backing_file(disk), status):
            raise Refused(
                f"{path} is attached as /dev/{disk}, and may be in use there.",
                hint=f"Name /dev/{disk} itself, or detach it first: losetup --detach /dev/{disk}",
            )


def _is_file(backing: str, status: os.stat_result) -> bool:
    try:
        return bool(backing) and os.path.samestat(Path(backing).stat(), status)
    except OSError:
        return False

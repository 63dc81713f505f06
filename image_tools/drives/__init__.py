"""Drives: what is plugged in, and why some of it must not be written to."""

from image_tools.drives.checks import (
    check_does_not_carry,
    check_fits,
    check_flashable,
    check_not_attached,
    check_not_source,
)
from image_tools.drives.linux import users_of
from image_tools.drives.listing import find_drive, list_drives
from image_tools.drives.model import Drive, DrivePartition, Reason, Refusal
from image_tools.drives.unmount import unmount

__all__ = [
    "Drive",
    "DrivePartition",
    "Reason",
    "Refusal",
    "check_does_not_carry",
    "check_fits",
    "check_flashable",
    "check_not_attached",
    "check_not_source",
    "find_drive",
    "list_drives",
    "unmount",
    "users_of",
]

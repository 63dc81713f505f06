"""Drives: what is plugged in, and why some of it must not be written to."""

from image_tools.drives.listing import (
    Drive,
    DrivePartition,
    Reason,
    Refusal,
    check_fits,
    check_flashable,
    check_not_source,
    find_drive,
    list_drives,
    users_of,
)
from image_tools.drives.unmounting import unmount

__all__ = [
    "Drive",
    "DrivePartition",
    "Reason",
    "Refusal",
    "check_fits",
    "check_flashable",
    "check_not_source",
    "find_drive",
    "list_drives",
    "unmount",
    "users_of",
]

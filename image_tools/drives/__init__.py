"""The drives of this system, and the checks before one is written to."""

from image_tools.drives.checks import (
    check_does_not_carry,
    check_fits,
    check_flashable,
    check_not_attached,
    check_not_source,
)
from image_tools.drives.exchange import check_not_exchanged, disk_sequence, exchanged, medium_check
from image_tools.drives.linux import processes_using
from image_tools.drives.listing import find_drive, list_drives
from image_tools.drives.model import Drive, DrivePartition, Refusal, RefusalReason
from image_tools.drives.unmount import unmount

__all__ = [
    "Drive",
    "DrivePartition",
    "Refusal",
    "RefusalReason",
    "check_does_not_carry",
    "check_fits",
    "check_flashable",
    "check_not_attached",
    "check_not_exchanged",
    "check_not_source",
    "disk_sequence",
    "exchanged",
    "find_drive",
    "list_drives",
    "medium_check",
    "processes_using",
    "unmount",
]

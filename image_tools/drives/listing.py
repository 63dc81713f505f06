"""The drives of this system, by its platform. A new platform is added here."""

from __future__ import annotations

import sys

from image_tools.drives.model import Drive
from resin_toolkit.errors import DriveNotFound


def list_drives() -> list[Drive]:
    """All drives of the system, including those that cannot be flashed. Raises IoFailed."""
    system = str(sys.platform)
    if system == "darwin":
        from image_tools.drives import macos

        return macos.list_drives()
    if system == "win32":
        from image_tools.drives import windows

        return windows.list_drives()
    from image_tools.drives import linux

    return linux.list_drives()


def find_drive(path: str) -> Drive:
    """The drive at `path`; on Linux also a link such as /dev/disk/by-id/….

    Raises DriveNotFound, BadValue (not a block device) and Refused (a partition, a device on top of others).
    """
    if str(sys.platform) == "linux":
        from image_tools.drives import linux

        return linux.find_drive(path)
    found = next((drive for drive in list_drives() if drive.path == path), None)
    if found is None:
        raise DriveNotFound(f"There is no drive {path}.", hint="`resin drives --all` lists all drives.")
    return found

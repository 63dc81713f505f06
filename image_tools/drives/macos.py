"""The drives of macOS, as `diskutil` tells of them: property lists, whose keys diskutil(8) names."""

from __future__ import annotations

import plistlib
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.parsers.expat import ExpatError

from image_tools.drives.model import Drive, DrivePartition, refusals_of
from resin_toolkit.errors import IoFailed

Facts = Mapping[str, Any]
Ask = Callable[..., bytes]
"""What diskutil prints with these arguments."""

_SYSTEM = ("/", "/System", "/Users", "/private")
_BUSES = {"USB": "usb", "Secure Digital": "sd", "PCI-Express": "nvme", "SATA": "ata", "Disk Image": "loop"}


def list_drives(ask: Ask | None = None) -> list[Drive]:
    """Every physical drive and attached disk image; the containers of APFS that lie on others are left out.

    Raises IoFailed where diskutil cannot be run or prints something else.
    """
    ask = ask or _diskutil
    disks: list[Facts] = _plist(ask("list", "-plist")).get("AllDisksAndPartitions", [])
    on_top = {
        store["DeviceIdentifier"]: disk for disk in disks for store in disk.get("APFSPhysicalStores", [])
    }
    return [
        _drive(disk, _plist(ask("info", "-plist", disk["DeviceIdentifier"])), on_top)
        for disk in disks
        if "APFSPhysicalStores" not in disk
    ]


def _drive(disk: Facts, facts: Facts, on_top: Mapping[str, Facts]) -> Drive:
    partitions = tuple(_partition(part, on_top) for part in disk.get("Partitions", ()))
    points = [*_points(disk), *(point for part in partitions for point in part.mount_points)]
    transport = _BUSES.get(facts.get("BusProtocol", ""), facts.get("BusProtocol", "").lower())
    removable = bool(facts.get("RemovableMedia")) or transport in ("usb", "sd")
    system = [point for point in points if point in _SYSTEM or point.startswith("/System/Volumes/")]
    others = [point for point in points if point not in system]
    size = int(facts.get("Size", facts.get("TotalSize", disk.get("Size", 0))))
    writable = bool(facts.get("WritableMedia", facts.get("Writable", True)))
    return Drive(
        path=f"/dev/{disk['DeviceIdentifier']}",
        vendor="",
        model=str(facts.get("MediaName", "")).strip(),
        serial="",
        size=size,
        sector_size=int(facts.get("DeviceBlockSize", 512)),
        transport=transport,
        removable=removable,
        read_only=not writable,
        partitions=partitions,
        mount_points=tuple(dict.fromkeys(points)),
        refusals=refusals_of(
            system=dict.fromkeys(system),
            mounted=() if removable else others,
            read_only=not writable,
            size=size,
        ),
        to_unmount=tuple(dict.fromkeys(others)) if removable and not system else (),
    )


def _partition(part: Facts, on_top: Mapping[str, Facts]) -> DrivePartition:
    """A partition; one that an APFS container lies on has the mount points of the container's volumes."""
    container = on_top.get(part["DeviceIdentifier"], {})
    volumes = [part, *container.get("APFSVolumes", ())]
    points = [point for volume in volumes for point in _points(volume)]
    return DrivePartition(
        path=f"/dev/{part['DeviceIdentifier']}",
        size=int(part.get("Size", 0)),
        label=str(part.get("VolumeName", "")),
        filesystem=str(part.get("Content", "")),
        mount_points=tuple(points),
    )


def _points(volume: Facts) -> Iterator[str]:
    """Where a volume is mounted; the sealed system volume is mounted by its snapshot."""
    for part in (volume, *volume.get("MountedSnapshots", ())):
        point = part.get("MountPoint") or part.get("SnapshotMountPoint")
        if point:
            yield str(point)


def _diskutil(*arguments: str) -> bytes:
    try:
        return subprocess.run(["diskutil", *arguments], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        hint = "See whether `diskutil list` works."
        raise IoFailed(f"The drives cannot be listed: {error}.", hint=hint) from error


def _plist(data: bytes) -> Facts:
    try:
        found = plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError) as error:
        raise IoFailed(f"diskutil printed something unknown: {error}.", hint="Report it, please.") from error
    return found if isinstance(found, dict) else {}

"""The drives of macOS, from the property lists of diskutil(8)."""

from __future__ import annotations

import plistlib
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.parsers.expat import ExpatError

from image_tools.drives.model import Drive, DrivePartition, find_refusals
from resin_toolkit.errors import IoFailed

Facts = Mapping[str, Any]
DiskutilRunner = Callable[..., bytes]
"""Runs diskutil with arguments and returns its output."""

_SYSTEM = ("/", "/System", "/Users", "/private")
_BUSES = {"USB": "usb", "Secure Digital": "sd", "PCI-Express": "nvme", "SATA": "ata", "Disk Image": "loop"}


def list_drives(run_diskutil: DiskutilRunner | None = None) -> list[Drive]:
    """All physical drives and attached disk images, without synthesized APFS containers.

    Raises IoFailed if diskutil cannot be run or its output is invalid.
    """
    run_diskutil = run_diskutil or _diskutil
    disks: list[Facts] = _plist(run_diskutil("list", "-plist")).get("AllDisksAndPartitions", [])
    on_top = {
        store["DeviceIdentifier"]: disk for disk in disks for store in disk.get("APFSPhysicalStores", [])
    }
    return [
        _drive(disk, _plist(run_diskutil("info", "-plist", disk["DeviceIdentifier"])), on_top)
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
        refusals=find_refusals(
            system=dict.fromkeys(system),
            mounted=() if removable else others,
            read_only=not writable,
            size=size,
        ),
        to_unmount=tuple(dict.fromkeys(others)) if removable and not system else (),
    )


def _partition(part: Facts, on_top: Mapping[str, Facts]) -> DrivePartition:
    """A partition; that of an APFS container has the mount points of the container's volumes."""
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
    """The mount points of a volume; the sealed system volume is mounted as a snapshot."""
    for part in (volume, *volume.get("MountedSnapshots", ())):
        point = part.get("MountPoint") or part.get("SnapshotMountPoint")
        if point:
            yield str(point)


def _diskutil(*arguments: str) -> bytes:
    try:
        return subprocess.run(["diskutil", *arguments], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        hint = "Check that `diskutil list` works."
        raise IoFailed(f"The drives cannot be listed: {error}.", hint=hint) from error


def _plist(data: bytes) -> Facts:
    try:
        found = plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError) as error:
        raise IoFailed(f"The output of diskutil is invalid: {error}.", hint="Please report this.") from error
    return found if isinstance(found, dict) else {}

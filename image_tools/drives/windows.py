"""The drives of Windows, from PowerShell's Storage module.

Source: the classes MSFT_Disk, MSFT_Partition and MSFT_Volume of the Windows Storage Management API.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from image_tools.drives.model import Drive, DrivePartition, find_refusals
from resin_toolkit.errors import IoFailed

Facts = Mapping[str, Any]

QUERY = (
    "@{"
    "disks = @(Get-Disk | Select-Object Number,FriendlyName,Manufacturer,Model,SerialNumber,Size,"
    "LogicalSectorSize,BusType,IsBoot,IsSystem,IsReadOnly,OperationalStatus);"
    "partitions = @(Get-Partition |"
    " Select-Object DiskNumber,PartitionNumber,Size,DriveLetter,AccessPaths,Type);"
    "volumes = @(Get-Volume | Select-Object DriveLetter,FileSystemLabel,FileSystem);"
    "removable = @(Get-CimInstance Win32_DiskDrive | Where-Object MediaType -like 'Removable*' |"
    " ForEach-Object Index);"
    "page = @(Get-CimInstance Win32_PageFileUsage | ForEach-Object Name)"
    "} | ConvertTo-Json -Depth 4"
)
"""The PowerShell script, which prints one JSON object."""

# MSFT_Disk.BusType; newer versions print the name.
_BUSES = {1: "scsi", 3: "ata", 7: "usb", 9: "scsi", 11: "ata", 12: "sd", 13: "mmc", 15: "loop", 17: "nvme"}
_NAMES = {"sata": "ata", "file backed virtual": "loop"}


def list_drives(run_powershell: Callable[[], str] | None = None) -> list[Drive]:
    """All drives of the system. Raises IoFailed if PowerShell fails or its output is invalid."""
    text = (run_powershell or _powershell)()
    try:
        answer = json.loads(text.lstrip("\ufeff"))
    except ValueError as error:
        message = f"The output of PowerShell is invalid: {error}."
        raise IoFailed(message, hint="Please report this.") from error
    volumes = {str(volume.get("DriveLetter")): volume for volume in _all(answer, "volumes")}
    return [_drive(disk, answer, volumes) for disk in _all(answer, "disks")]


def _drive(disk: Facts, answer: Facts, volumes: Mapping[str, Facts]) -> Drive:
    number = int(disk["Number"])
    parts = [part for part in _all(answer, "partitions") if part.get("DiskNumber") == number]
    partitions = tuple(_partition(part, volumes) for part in parts)
    points = [point for part in partitions for point in part.mount_points]
    paged = {str(name)[:3].upper() for name in _all(answer, "page")}
    system = [what for what, key in (("boot", "IsBoot"), ("system", "IsSystem")) if disk.get(key)]
    system += [f"page file on {point}" for point in points if point.upper() in paged]
    transport = _transport(disk.get("BusType"))
    removable = number in _all(answer, "removable") or transport in ("usb", "sd")
    size = int(disk.get("Size") or 0)
    return Drive(
        path=rf"\\.\PhysicalDrive{number}",
        vendor=str(disk.get("Manufacturer") or "").strip(),
        model=str(disk.get("Model") or disk.get("FriendlyName") or "").strip(),
        serial=str(disk.get("SerialNumber") or "").strip(),
        size=size,
        sector_size=int(disk.get("LogicalSectorSize") or 512),
        transport=transport,
        removable=removable,
        read_only=bool(disk.get("IsReadOnly")),
        partitions=partitions,
        mount_points=tuple(points),
        refusals=find_refusals(
            system=system,
            mounted=() if removable else points,
            read_only=bool(disk.get("IsReadOnly")),
            size=size,
        ),
        to_unmount=tuple(points) if removable and not system else (),
    )


def _partition(part: Facts, volumes: Mapping[str, Facts]) -> DrivePartition:
    letter = str(part.get("DriveLetter") or "").strip("\0")
    volume = volumes.get(letter, {})
    paths: Sequence[str] = [path for path in part.get("AccessPaths") or () if not path.startswith("\\\\?\\")]
    return DrivePartition(
        path=rf"\\.\PhysicalDrive{part['DiskNumber']} partition {part['PartitionNumber']}",
        size=int(part.get("Size") or 0),
        label=str(volume.get("FileSystemLabel") or ""),
        filesystem=str(volume.get("FileSystem") or part.get("Type") or ""),
        mount_points=tuple(paths),
    )


def _transport(bus: object) -> str:
    if isinstance(bus, int):
        return _BUSES.get(bus, "")
    name = str(bus or "").lower()
    return _NAMES.get(name, name)


def _all(answer: Facts, key: str) -> Sequence[Any]:
    """A list of the answer; PowerShell prints a list of one item as that item."""
    found = answer.get(key)
    if found is None:
        return ()
    return found if isinstance(found, list) else [found]


def _powershell() -> str:
    command = ["powershell", "-NoProfile", "-NonInteractive", "-Command", QUERY]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        hint = "Check that Get-Disk works."
        raise IoFailed(f"The drives cannot be listed: {error}.", hint=hint) from error

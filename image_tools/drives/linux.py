"""The drives of a Linux system, from sysfs, mounts, swap and udev."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from image_tools.drives.model import Drive, DrivePartition, Refusal, find_refusals
from image_tools.drives.sysfs import SWAP, SYSTEM_MOUNT_POINTS, Mount, Sysfs, process_name
from resin_toolkit.errors import BadValue, DriveNotFound, Refused, ResinError, from_os_error

_EXCLUDED_PREFIXES = ("ram", "zram", "sr", "fd", "dm-", "md", "mtdblock", "bcache", "drbd", "zd")
_MAPPED_PREFIXES = ("dm-", "md", "bcache", "drbd")


def list_drives(sysfs: Sysfs | None = None) -> list[Drive]:
    """All drives of the system, including those that cannot be flashed.

    Excludes unused loop devices, optical drives, RAM disks and devices on top of others.
    """
    sysfs = sysfs or Sysfs()
    names = [name for name in sysfs.disks() if not name.startswith(_EXCLUDED_PREFIXES)]
    names = [name for name in names if not (name.startswith("loop") and not sysfs.size(name))]
    known = _udev()
    mounts = sysfs.mounts()
    return [_drive(sysfs, name, mounts, known) for name in names]


def find_drive(path: str) -> Drive:
    """The drive at `path`, which may be a link such as /dev/disk/by-id/….

    Raises DriveNotFound, BadValue (not a block device) and Refused (a partition, a device on top of others).
    """
    try:
        status = Path(path).stat()
    except FileNotFoundError as error:
        raise DriveNotFound(
            f"There is no drive {path}.", hint="`resin drives --all` lists all drives.", path=path
        ) from error
    except OSError as error:
        raise from_os_error(error, path) from error
    if not stat.S_ISBLK(status.st_mode):
        raise BadValue(f"{path} is not a drive.", hint="`resin drives --all` lists all drives.")
    sysfs = Sysfs()
    name = sysfs.device_name(status.st_rdev)
    if name is None:
        raise DriveNotFound(f"The drive {path} was removed.", hint="Plug it in again.", path=path)
    _refuse_non_drives(sysfs, path, name)
    return _drive(sysfs, name, sysfs.mounts(), _udev())


def processes_using(path: str) -> tuple[str, ...]:
    """The processes that have a device open, as "name (pid N)", if this user may see them."""
    import psutil

    found = []
    for pid in psutil.pids():
        if pid == os.getpid():
            continue
        folder = Path(f"/proc/{pid}/fd")
        try:
            links = {str(entry.readlink()) for entry in folder.iterdir()}
        except OSError:
            continue
        if path in links:
            found.append(process_name(pid))
    return tuple(found)


def _refuse_non_drives(sysfs: Sysfs, path: str, name: str) -> None:
    if sysfs.is_partition(name):
        drive = f"/dev/{sysfs.disk_of(name)}"
        raise Refused(
            f"{path} is a partition of {drive}, but an image is written to a whole drive.",
            hint=f"If that is the right drive, use {drive}.",
            path=path,
            drive=drive,
        )
    if name.startswith(_MAPPED_PREFIXES):
        below = ", ".join(f"/dev/{disk}" for disk in sorted(sysfs.underlying_disks(name) - {name}))
        raise Refused(
            f"{path} is not a drive but a device on top of {below or 'others'}.",
            hint="Name the drive itself.",
        )
    if name.startswith(_EXCLUDED_PREFIXES):
        raise Refused(
            f"{path} is not a drive that can be flashed.", hint="`resin drives` lists those that can."
        )


def _drive(sysfs: Sysfs, name: str, mounts: Iterable[Mount], udev: _Udev) -> Drive:
    facts = udev.facts(name)
    used = [mount for mount in mounts if name in sysfs.underlying_disks(mount.device)]
    transport = _transport(sysfs, name, facts)
    removable = sysfs.value(name, "removable") == "1" or transport in ("usb", "sd")
    system = {mount.point for mount in used} & {*SYSTEM_MOUNT_POINTS, SWAP}
    return Drive(
        path=f"/dev/{name}",
        vendor=_text(facts, "ID_VENDOR") or _vendor(sysfs, name),
        model=_text(facts, "ID_MODEL") or _model(sysfs, name),
        serial=facts.get("ID_SERIAL_SHORT") or sysfs.value(name, "device/serial"),
        size=sysfs.size(name),
        sector_size=sysfs.number(name, "queue/logical_block_size") or 512,
        transport=transport,
        removable=removable,
        read_only=sysfs.value(name, "ro") == "1",
        partitions=tuple(_partition(sysfs, part, used, udev) for part in sysfs.partitions(name)),
        mount_points=tuple(dict.fromkeys(mount.point for mount in used)),
        refusals=_refusals(sysfs, name, used, udev, removable=removable),
        sequence=sysfs.number(name, "diskseq") or None,
        location=str(sysfs.folder(name).resolve()),
        to_unmount=tuple(dict.fromkeys(mount.point for mount in used)) if removable and not system else (),
    )


def _partition(sysfs: Sysfs, name: str, mounts: Iterable[Mount], udev: _Udev) -> DrivePartition:
    facts = udev.facts(name)
    points = dict.fromkeys(mount.point for mount in mounts if mount.device == name)
    label, filesystem = _text(facts, "ID_FS_LABEL"), facts.get("ID_FS_TYPE", "")
    if not filesystem:
        label, filesystem = _probed(sysfs, name)
    return DrivePartition(
        path=f"/dev/{name}",
        size=sysfs.size(name),
        label=label,
        filesystem=filesystem,
        mount_points=tuple(points),
    )


def _probed(sysfs: Sysfs, name: str) -> tuple[str, str]:
    """The label and type of a file system that udev does not know, if this user may read the device."""
    from image_tools.filesystems import probe

    try:
        with (sysfs.root / "dev" / name).open("rb") as file:
            found = probe(file, 0, sysfs.size(name), usage=False)
    except (OSError, ResinError):
        return "", ""
    return found.label, found.type


def _refusals(
    sysfs: Sysfs, name: str, mounts: list[Mount], udev: _Udev, *, removable: bool
) -> tuple[Refusal, ...]:
    points = list(dict.fromkeys(mount.point for mount in mounts))
    system = [point for point in points if point in (*SYSTEM_MOUNT_POINTS, SWAP)]
    others = [point for point in points if point not in system]
    return find_refusals(
        system=system,
        mounted=() if removable else others,
        read_only=sysfs.value(name, "ro") == "1",
        size=sysfs.size(name),
        held_by=_held_by(sysfs, (name, *sysfs.partitions(name)), udev),
    )


def _held_by(sysfs: Sysfs, names: Iterable[str], udev: _Udev) -> Iterable[tuple[str, str]]:
    """What the devices are in use by, and how to release them."""
    names = list(names)
    holders = {holder for name in names for holder in sysfs.holders(name)}
    if holders:
        what = ", ".join(sorted(holders))
        yield (
            f"{what} (encryption, a volume group or an array)",
            "Close it first, with cryptsetup, vgchange or mdadm.",
        )
    for pool in sorted({_zfs_pool(udev.facts(name)) for name in names} & set(sysfs.zfs_pools())):
        yield f"the ZFS pool {pool}", f"Export it first: zpool export {pool}"


def _zfs_pool(facts: Mapping[str, str]) -> str:
    """The ZFS pool of a member device, by the label that udev read; empty if there is none."""
    return _text(facts, "ID_FS_LABEL") if facts.get("ID_FS_TYPE") == "zfs_member" else ""


def _transport(sysfs: Sysfs, name: str, facts: Mapping[str, str]) -> str:
    """The transport: usb, sd, mmc (soldered), nvme, ata, scsi, virtio, loop; empty if unknown."""
    where = str(sysfs.folder(name).resolve())
    if name.startswith("mmcblk"):
        return "sd" if sysfs.value(name, "device/type") == "SD" else "mmc"
    for mark in ("usb", "nvme", "virtio", "ata", "loop"):
        if f"/{mark}" in where:
            return mark
    return facts.get("ID_BUS", "")


def _model(sysfs: Sysfs, name: str) -> str:
    return sysfs.backing_file(name) or sysfs.value(name, "device/model") or sysfs.value(name, "device/name")


def _vendor(sysfs: Sysfs, name: str) -> str:
    vendor = sysfs.value(name, "device/vendor")
    return "" if vendor.startswith("0x") else vendor  # a vendor id, not a name


def _text(facts: Mapping[str, str], key: str) -> str:
    """A name from udev, whose `_ENC` form keeps spaces, as `\\x20`."""
    encoded = facts.get(f"{key}_ENC")
    if encoded is None:
        return facts.get(key, "").strip()
    raw = encoded.encode().decode("unicode_escape", errors="replace")
    return raw.encode("latin-1", errors="replace").decode(errors="replace").strip()


@cache
def _udev() -> _Udev:
    """A single instance, because pyudev runs a program each time to find its library."""
    return _Udev()


class _Udev:
    """The properties of devices in the udev database; empty without udev."""

    def __init__(self) -> None:
        try:
            import pyudev

            self._context = pyudev.Context()
            self._devices = pyudev.Devices
            self._missing = pyudev.DeviceNotFoundError
        except (ImportError, OSError):
            self._context = None

    def facts(self, name: str) -> Mapping[str, str]:
        if self._context is None:
            return {}
        try:
            return dict(self._devices.from_name(self._context, "block", name).properties)
        except self._missing:
            return {}

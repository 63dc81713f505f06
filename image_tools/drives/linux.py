"""The drives of a Linux system: from sysfs, mounts and swap, and what udev knows besides."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from image_tools.drives.model import Drive, DrivePartition, Refusal, refusals_of
from image_tools.drives.sysfs import SWAP, SYSTEM_POINTS, Kernel, Mount, program_of
from resin_toolkit.errors import BadValue, DriveNotFound, Refused, ResinError, from_os_error

_NO_DRIVES = ("ram", "zram", "sr", "fd", "dm-", "md", "mtdblock", "bcache", "drbd", "zd")
_MAPPED = ("dm-", "md", "bcache", "drbd")


def list_drives(kernel: Kernel | None = None) -> list[Drive]:
    """Every drive that the system has, those that may not be flashed included.

    Loop devices without a file, optical drives, memory disks and devices that lie on others are left out.
    """
    kernel = kernel or Kernel()
    names = [name for name in kernel.disks() if not name.startswith(_NO_DRIVES)]
    names = [name for name in names if not (name.startswith("loop") and not kernel.size(name))]
    known = _udev()
    mounts = kernel.mounts()
    return [_drive(kernel, name, mounts, known) for name in names]


def find_drive(path: str) -> Drive:
    """The drive that `path` names, a link such as /dev/disk/by-id/… too.

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
    kernel = Kernel()
    name = kernel.name_at(status.st_rdev)
    if name is None:
        raise DriveNotFound(f"The drive {path} is gone.", hint="Plug it in again.", path=path)
    _refuse_parts(kernel, path, name)
    return _drive(kernel, name, kernel.mounts(), _udev())


def users_of(path: str) -> tuple[str, ...]:
    """The programs that have a device open, as "name (pid N)", as far as this user may see."""
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
            found.append(program_of(pid))
    return tuple(found)


def _refuse_parts(kernel: Kernel, path: str, name: str) -> None:
    if kernel.is_partition(name):
        drive = f"/dev/{kernel.disk_of(name)}"
        raise Refused(
            f"{path} is a partition of {drive}; an image is written to a whole drive.",
            hint=f"If that is the right one, name {drive}.",
            path=path,
            drive=drive,
        )
    if name.startswith(_MAPPED):
        below = ", ".join(f"/dev/{disk}" for disk in sorted(kernel.disks_beneath(name) - {name}))
        raise Refused(f"{path} is not a drive but lies on {below or 'others'}.", hint="Name a drive itself.")
    if name.startswith(_NO_DRIVES):
        raise Refused(
            f"{path} is not a drive that can be flashed.", hint="`resin drives` lists those that can."
        )


def _drive(kernel: Kernel, name: str, mounts: Iterable[Mount], udev: _Udev) -> Drive:
    facts = udev.facts(name)
    used = [mount for mount in mounts if name in kernel.disks_beneath(mount.device)]
    transport = _transport(kernel, name, facts)
    removable = kernel.value(name, "removable") == "1" or transport in ("usb", "sd")
    system = {mount.point for mount in used} & {*SYSTEM_POINTS, SWAP}
    return Drive(
        path=f"/dev/{name}",
        vendor=_text(facts, "ID_VENDOR") or _vendor(kernel, name),
        model=_text(facts, "ID_MODEL") or _model(kernel, name),
        serial=facts.get("ID_SERIAL_SHORT") or kernel.value(name, "device/serial"),
        size=kernel.size(name),
        sector_size=kernel.number(name, "queue/logical_block_size") or 512,
        transport=transport,
        removable=removable,
        read_only=kernel.value(name, "ro") == "1",
        partitions=tuple(_partition(kernel, part, used, udev) for part in kernel.partitions(name)),
        mount_points=tuple(dict.fromkeys(mount.point for mount in used)),
        refusals=_refusals(kernel, name, used, udev, removable=removable),
        to_unmount=tuple(dict.fromkeys(mount.point for mount in used)) if removable and not system else (),
    )


def _partition(kernel: Kernel, name: str, mounts: Iterable[Mount], udev: _Udev) -> DrivePartition:
    facts = udev.facts(name)
    points = dict.fromkeys(mount.point for mount in mounts if mount.device == name)
    label, filesystem = _text(facts, "ID_FS_LABEL"), facts.get("ID_FS_TYPE", "")
    if not filesystem:
        label, filesystem = _probed(kernel, name)
    return DrivePartition(
        path=f"/dev/{name}",
        size=kernel.size(name),
        label=label,
        filesystem=filesystem,
        mount_points=tuple(points),
    )


def _probed(kernel: Kernel, name: str) -> tuple[str, str]:
    """Label and kind of a file system that udev does not know, where this user may look."""
    from image_tools.filesystems import probe

    try:
        with (kernel.root / "dev" / name).open("rb") as file:
            found = probe(file, 0, kernel.size(name), usage=False)
    except (OSError, ResinError):
        return "", ""
    return found.label, found.kind


def _refusals(
    kernel: Kernel, name: str, mounts: list[Mount], udev: _Udev, *, removable: bool
) -> tuple[Refusal, ...]:
    points = list(dict.fromkeys(mount.point for mount in mounts))
    system = [point for point in points if point in (*SYSTEM_POINTS, SWAP)]
    others = [point for point in points if point not in system]
    return refusals_of(
        system=system,
        mounted=() if removable else others,
        read_only=kernel.value(name, "ro") == "1",
        size=kernel.size(name),
        held_by=_held_by(kernel, (name, *kernel.partitions(name)), udev),
    )


def _held_by(kernel: Kernel, names: Iterable[str], udev: _Udev) -> Iterable[tuple[str, str]]:
    """What devices are a part of, and how that is closed."""
    names = list(names)
    holders = {holder for name in names for holder in kernel.holders(name)}
    if holders:
        what = ", ".join(sorted(holders))
        yield (
            f"{what} (encryption, a volume group or an array)",
            "Close that first, with cryptsetup, vgchange or mdadm.",
        )
    for pool in sorted({_zfs_pool(udev.facts(name)) for name in names} & set(kernel.zfs_pools())):
        yield f"the ZFS pool {pool}", f"Export it first: zpool export {pool}"


def _zfs_pool(facts: Mapping[str, str]) -> str:
    """The pool whose member this is, by the label that udev read; empty for none."""
    return _text(facts, "ID_FS_LABEL") if facts.get("ID_FS_TYPE") == "zfs_member" else ""


def _transport(kernel: Kernel, name: str, facts: Mapping[str, str]) -> str:
    """How it is attached: usb, sd, mmc (soldered), nvme, ata, scsi, virtio, loop; empty if unknown."""
    where = str(kernel.folder(name).resolve())
    if name.startswith("mmcblk"):
        return "sd" if kernel.value(name, "device/type") == "SD" else "mmc"
    for mark in ("usb", "nvme", "virtio", "ata", "loop"):
        if f"/{mark}" in where:
            return mark
    return facts.get("ID_BUS", "")


def _model(kernel: Kernel, name: str) -> str:
    return (
        kernel.backing_file(name) or kernel.value(name, "device/model") or kernel.value(name, "device/name")
    )


def _vendor(kernel: Kernel, name: str) -> str:
    vendor = kernel.value(name, "device/vendor")
    return "" if vendor.startswith("0x") else vendor  # a number of the bus, not a name


def _text(facts: Mapping[str, str], key: str) -> str:
    """A name from udev; its plain form has lost its spaces, the one with `_ENC` has them as `\\x20`."""
    encoded = facts.get(f"{key}_ENC")
    if encoded is None:
        return facts.get(key, "").strip()
    raw = encoded.encode().decode("unicode_escape", errors="replace")
    return raw.encode("latin-1", errors="replace").decode(errors="replace").strip()


@cache
def _udev() -> _Udev:
    """One for all: to find its library, it runs the linker's own program each time."""
    return _Udev()


class _Udev:
    """What udev has found out about devices; without udev nothing is known, which is no failure."""

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

"""Drives: what is plugged in, and why some of it must not be written to."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from image_tools.drives.block_devices import SWAP, SYSTEM_POINTS, Kernel, Mount
from resin_toolkit.errors import BadValue, DriveNotFound, Refused, from_os_error


class Reason(Enum):
    """Why a drive may not be flashed, whatever the user says; the gravest first."""

    SYSTEM = "system-drive"
    MOUNTED = "mounted"
    IN_USE = "in-use"
    READ_ONLY = "read-only"
    NO_MEDIUM = "no-medium"


@dataclass(frozen=True)
class Refusal:
    """A reason, in words that follow the drive's name, and what could be done about it."""

    reason: Reason
    message: str
    hint: str


@dataclass(frozen=True)
class DrivePartition:
    """A partition as the system sees it now; `size` in bytes, `label` and `filesystem` where udev knows."""

    path: str
    size: int
    label: str
    filesystem: str
    mount_points: tuple[str, ...]


@dataclass(frozen=True)
class Drive:
    """A whole block device; `size` and `sector_size` in bytes."""

    path: str
    vendor: str
    model: str
    serial: str
    size: int
    sector_size: int
    transport: str
    removable: bool
    read_only: bool
    partitions: tuple[DrivePartition, ...]
    mount_points: tuple[str, ...]
    """All that is mounted from it, through every layer of device mapper too."""
    refusals: tuple[Refusal, ...]
    to_unmount: tuple[str, ...] = ()
    """The mount points of a removable drive, which have to be unmounted before it is written."""

    @property
    def title(self) -> str:
        """Vendor and model, as far as they are known."""
        return " ".join(word for word in (self.vendor, self.model) if word) or "unnamed drive"


_NO_DRIVES = ("ram", "zram", "sr", "fd", "dm-", "md", "mtdblock", "bcache", "drbd", "zd")
_MAPPED = ("dm-", "md", "bcache", "drbd")


def list_drives(kernel: Kernel | None = None) -> list[Drive]:
    """Every drive that the system has, those that may not be flashed included.

    Loop devices without a file, optical drives, memory disks and devices that lie on others are left out.
    """
    kernel = kernel or Kernel()
    names = [name for name in kernel.disks() if not name.startswith(_NO_DRIVES)]
    names = [name for name in names if not (name.startswith("loop") and not kernel.size(name))]
    known = _Udev()
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
            f"There is no drive {path}.", hint="`resin drives --all` lists what is there.", path=path
        ) from error
    except OSError as error:
        raise from_os_error(error, path) from error
    if not stat.S_ISBLK(status.st_mode):
        raise BadValue(f"{path} is not a drive.", hint="`resin drives --all` lists what is there.")
    kernel = Kernel()
    name = kernel.name_at(status.st_rdev)
    if name is None:
        raise DriveNotFound(f"The drive {path} is gone.", hint="Plug it in again.", path=path)
    _refuse_parts(kernel, path, name)
    return _drive(kernel, name, kernel.mounts(), _Udev())


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
            hint="If it is the right one, say --allow-fixed.",
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


def users_of(path: str) -> tuple[str, ...]:
    """The programs that have a device open, as "name (pid N)", as far as this user may see."""
    import psutil

    found = []
    for process in psutil.process_iter(["name"]):
        if process.pid == os.getpid():
            continue
        folder = Path(f"/proc/{process.pid}/fd")
        try:
            links = {str(entry.readlink()) for entry in folder.iterdir()}
        except OSError:
            continue
        if path in links:
            found.append(f"{process.info['name']} (pid {process.pid})")
    return tuple(found)


def _is_file(backing: str, status: os.stat_result) -> bool:
    try:
        return bool(backing) and os.path.samestat(Path(backing).stat(), status)
    except OSError:
        return False


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
    size = kernel.size(name)
    removable = kernel.value(name, "removable") == "1" or transport in ("usb", "sd")
    system = {mount.point for mount in used} & {*SYSTEM_POINTS, SWAP}
    return Drive(
        path=f"/dev/{name}",
        vendor=_text(facts, "ID_VENDOR") or _vendor(kernel, name),
        model=_text(facts, "ID_MODEL") or _model(kernel, name),
        serial=facts.get("ID_SERIAL_SHORT") or kernel.value(name, "device/serial"),
        size=size,
        sector_size=kernel.number(name, "queue/logical_block_size") or 512,
        transport=transport,
        removable=removable,
        read_only=kernel.value(name, "ro") == "1",
        partitions=tuple(_partition(kernel, part, used, udev) for part in kernel.partitions(name)),
        mount_points=tuple(dict.fromkeys(mount.point for mount in used)),
        refusals=tuple(_refusals(kernel, name, size, used, removable=removable)),
        to_unmount=tuple(dict.fromkeys(mount.point for mount in used)) if removable and not system else (),
    )


def _partition(kernel: Kernel, name: str, mounts: Iterable[Mount], udev: _Udev) -> DrivePartition:
    facts = udev.facts(name)
    points = dict.fromkeys(mount.point for mount in mounts if mount.device == name)
    return DrivePartition(
        path=f"/dev/{name}",
        size=kernel.size(name),
        label=_text(facts, "ID_FS_LABEL"),
        filesystem=facts.get("ID_FS_TYPE", ""),
        mount_points=tuple(points),
    )


def _refusals(
    kernel: Kernel, name: str, size: int, mounts: list[Mount], *, removable: bool
) -> Iterable[Refusal]:
    points = list(dict.fromkeys(mount.point for mount in mounts))
    system = [point for point in points if point in (*SYSTEM_POINTS, SWAP)]
    others = [point for point in points if point not in system]
    if system:
        what = ", ".join(system)
        yield Refusal(Reason.SYSTEM, f"holds the running system ({what})", "Choose another drive.")
    if others and not removable:
        where = ", ".join(others)
        yield Refusal(Reason.MOUNTED, f"is mounted ({where})", f"Unmount it first: umount {' '.join(others)}")
    holders = {holder for part in (name, *kernel.partitions(name)) for holder in kernel.holders(part)}
    if holders:
        what = ", ".join(sorted(holders))
        yield Refusal(
            Reason.IN_USE,
            f"is a part of {what} (encryption, a volume group or an array)",
            "Close that first, with cryptsetup, vgchange or mdadm.",
        )
    if kernel.value(name, "ro") == "1":
        yield Refusal(Reason.READ_ONLY, "is read-only", "Check the card's lock switch.")
    if not size:
        yield Refusal(Reason.NO_MEDIUM, "has no medium in it", "Insert a card.")


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

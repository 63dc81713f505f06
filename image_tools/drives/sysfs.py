"""Block devices in /sys (sysfs), and mounts and swap in /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SYSTEM_MOUNT_POINTS = ("/", "/boot", "/boot/efi", "/boot/firmware", "/efi", "/usr", "/var", "/home")
SWAP = "swap"


@dataclass(frozen=True)
class Mount:
    """A mounted file system or active swap; `device` is the kernel's name, such as `sda1`."""

    device: str
    point: str


def process_name(pid: int) -> str:
    """A process as "name (pid N)", without the name if it has exited."""
    import psutil

    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"a program (pid {pid})"


@dataclass(frozen=True)
class Sysfs:
    """The block devices of the kernel; `root` may be a recorded tree."""

    root: Path = Path("/")

    def disks(self) -> list[str]:
        """The kernel's names of all whole block devices."""
        return sorted(entry.name for entry in self._entries(self.root / "sys/block"))

    def folder(self, name: str) -> Path:
        return self.root / "sys/class/block" / name

    def value(self, name: str, attribute: str) -> str:
        """An attribute of a device; empty if it does not exist."""
        try:
            return (self.folder(name) / attribute).read_text(errors="replace").strip()
        except OSError:
            return ""

    def number(self, name: str, attribute: str) -> int:
        text = self.value(name, attribute)
        return int(text) if text.isdecimal() else 0

    def size(self, name: str) -> int:
        """In bytes. The kernel counts in units of 512 bytes, regardless of the sector size."""
        return self.number(name, "size") * 512

    def is_partition(self, name: str) -> bool:
        return (self.folder(name) / "partition").exists()

    def disk_of(self, name: str) -> str:
        """The whole device of a partition; a whole device itself."""
        return self.folder(name).resolve().parent.name if self.is_partition(name) else name

    def partitions(self, disk: str) -> list[str]:
        names = [entry.name for entry in self._entries(self.folder(disk)) if (entry / "partition").exists()]
        return sorted(names, key=lambda name: self.number(name, "partition"))

    def holders(self, name: str) -> list[str]:
        """Devices on top of this one: device mapper (LUKS, LVM), md (RAID), bcache."""
        return sorted(entry.name for entry in self._entries(self.folder(name) / "holders"))

    def zfs_pools(self) -> list[str]:
        """The imported ZFS pools; ZFS does not register as a holder."""
        folders = self._entries(self.root / "proc/spl/kstat/zfs")
        return sorted(folder.name for folder in folders if folder.is_dir())

    def backing_file(self, name: str) -> str:
        """The backing file of a loop device; empty for others."""
        return self.value(name, "loop/backing_file")

    def device_name(self, device: int) -> str | None:
        """The kernel's name of the device with this number (`st_dev` or `st_rdev`)."""
        link = self.root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
        return link.resolve().name if link.exists() else None

    def underlying_disks(self, name: str) -> set[str]:
        """All whole devices below a device, including itself, through all layers."""
        found: set[str] = set()
        pending = [name]
        while pending:
            device = pending.pop()
            if device in found or not self.folder(device).exists():
                continue
            found.add(device)
            pending.append(self.disk_of(device))
            pending += [entry.name for entry in self._entries(self.folder(device) / "slaves")]
            pending += self._device_of_file(self.backing_file(device))
        return {device for device in found if not self.is_partition(device)}

    def mounts(self) -> list[Mount]:
        """Everything mounted from block devices, and swap."""
        return [*self._mounted(), *self._system_folders(), *self._swaps()]

    def _mounted(self) -> Iterator[Mount]:
        """The format of mountinfo: proc_pid_mountinfo(5)."""
        for line in self._lines("proc/self/mountinfo"):
            front, _, back = line.partition(" - ")
            number, point, source = front.split()[2], front.split()[4], back.split()[1]
            major, _, minor = number.partition(":")
            # btrfs has a device number of its own; only the mount source names the device.
            name = self.device_name(os.makedev(int(major), int(minor))) or self._name_of_node(
                _unescape(source)
            )
            if name is not None:
                yield Mount(name, _unescape(point))

    def _system_folders(self) -> Iterator[Mount]:
        """In a container no mount may name the device, but the device number of the folder does."""
        for point in SYSTEM_MOUNT_POINTS:
            for name in self._device_of_file(point):
                yield Mount(name, point if Path(point).is_mount() else "/")

    def _swaps(self) -> Iterator[Mount]:
        for line in self._lines("proc/swaps")[1:]:
            path = _unescape(line.split()[0])
            node = self._name_of_node(path)
            for name in [node] if node else self._device_of_file(path):
                yield Mount(name, SWAP)

    def _name_of_node(self, path: str) -> str | None:
        if not path.startswith("/dev/"):
            return None
        name = Path(os.path.realpath(path)).name
        return name if self.folder(name).exists() else None

    def device_of_file(self, path: str) -> str | None:
        """The device that stores a file; None for a file in memory or on the network."""
        try:
            number = Path(path).stat().st_dev
        except OSError:
            return None
        if name := self.device_name(number):
            return name
        # btrfs has a device number of its own; the innermost mount point above the file names the device.
        real = os.path.realpath(path)
        above = [mount for mount in self._mounted() if _is_below(real, mount.point)]
        return max(above, key=lambda mount: len(mount.point)).device if above else None

    def _device_of_file(self, path: str) -> list[str]:
        if not path or self.root != Path("/"):
            return []
        name = self.device_of_file(path)
        return [name] if name else []

    def _lines(self, path: str) -> list[str]:
        try:
            return (self.root / path).read_text(errors="surrogateescape").splitlines()
        except OSError:
            return []

    @staticmethod
    def _entries(folder: Path) -> list[Path]:
        try:
            return list(folder.iterdir())
        except OSError:
            return []


def _is_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _unescape(text: str) -> str:
    """Decode octal escapes, such as `\\040` for a space."""
    if "\\" not in text:
        return text
    parts = text.split("\\")
    return parts[0] + "".join(
        chr(int(part[:3], 8)) + part[3:] if part[:3].isdecimal() else "\\" + part for part in parts[1:]
    )

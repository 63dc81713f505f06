"""Unmounting the file systems of a removable drive before it is written."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from image_tools.drives.model import Drive
from image_tools.drives.sysfs import process_name
from resin_toolkit.errors import NotPermitted, Refused, from_os_error

_PATIENCE = 20


def unmount(drive: Drive) -> tuple[str, ...]:
    """Unmount all of `drive.to_unmount`, the innermost first, and return the mount points.

    Nothing is forced. Uses udisks2 if this user may not unmount. Raises Refused with the processes that keep
    a mount point busy, and NotPermitted.
    """
    devices = {point: part.path for part in drive.partitions for point in part.mount_points}
    points = sorted(drive.to_unmount, key=len, reverse=True)
    for point in points:
        try:
            unmount_point(point)
        except NotPermitted:
            _unmount_by_udisks(devices.get(point, drive.path), point)
    return tuple(points)


def _unmount_by_udisks(device: str, point: str) -> None:
    from image_tools.drives import udisks

    try:
        udisks.unmount(Path(device).name)
    except udisks.UdisksError as problem:
        if problem.busy:
            raise _failure(point, OSError(errno.EBUSY, "busy")) from problem
        raise NotPermitted(
            f"You may not unmount {point}, and {problem.reason}.",
            hint=f"Try: sudo umount {point}",
        ) from problem


def unmount_point(point: str) -> None:
    """Unmount everything that is mounted at a folder. Raises what `unmount` raises."""
    library = ctypes.CDLL(None, use_errno=True)
    for _ in range(_PATIENCE):
        if library.umount2(os.fsencode(point), 0) == 0:
            if not os.path.ismount(point):
                return
            continue
        code = ctypes.get_errno()
        if code == errno.EINVAL:  # nothing is mounted there any more
            return
        raise _failure(point, OSError(code, os.strerror(code)))
    raise Refused(f"{point} is still mounted after {_PATIENCE} attempts.", hint="Unmount it by hand.")


def processes_holding(point: str) -> list[str]:
    """The processes that keep a mount point busy, as "name (pid N)", if this user may see them."""
    import psutil

    holders = (pid for pid in psutil.pids() if any(_is_below(path, point) for path in _paths_of(pid)))
    return [process_name(pid) for pid in holders]


def _failure(point: str, error: OSError) -> Exception:
    if error.errno == errno.EBUSY:
        holders = ", ".join(processes_holding(point)) or "a program"
        return Refused(
            f"{point} cannot be unmounted: it is in use by {holders}.",
            hint="Close that program, or leave the folder, and try again.",
            point=point,
        )
    if error.errno in (errno.EPERM, errno.EACCES):
        return NotPermitted(f"You may not unmount {point}.", hint=f"Try: sudo umount {point}")
    return from_os_error(error, point)


def _paths_of(pid: int) -> Iterator[str]:
    """The open and mapped files of a process, its executable, and its working and root directories."""
    folder = Path(f"/proc/{pid}")
    for link in ("cwd", "root", "exe"):
        yield from _target(folder / link)
    try:
        for entry in (folder / "fd").iterdir():
            yield from _target(entry)
        for line in (folder / "maps").read_text(errors="surrogateescape").splitlines():
            _, slash, path = line.partition(" /")
            if slash:
                yield f"/{path}"
    except OSError:
        return


def _target(link: Path) -> Iterator[str]:
    try:
        yield str(link.readlink())
    except OSError:
        return


def _is_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")

"""What an image is written to: a drive, opened exclusively, or a file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from image_tools.drives.block_devices import Kernel
from image_tools.flash.direct import BLOCK
from resin_toolkit.errors import (
    BadValue,
    Interrupted,
    NoSpace,
    Notice,
    NotPermitted,
    PathNotFound,
    Refused,
    ResinError,
    from_os_error,
)

# linux/fs.h
_BLKRRPART = 0x125F
_BLKFLSBUF = 0x1261
_BLKSSZGET = 0x1268
_BLKGETSIZE64 = 0x80081272

_PAST_THE_CACHE = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "exfat", "ntfs3", "jfs"})
"""File systems whose direct reads come from the medium."""


class State(Enum):
    """How far the writing of an image has come."""

    UNTOUCHED = "untouched"
    PARTIAL = "partial"
    COMPLETE = "complete"
    FINISHED = "finished"


@dataclass(frozen=True)
class Reading:
    """How the target is read back: whether past the page cache, and if not, why."""

    past_cache: bool
    reason: str = ""


class Target:
    """An open drive or file, in a `with` block.

    A failure that leaves the block says what state the target is in; a file that this run created is then
    removed. `finish` marks the work as done. `notices` holds what the user should know.
    """

    def __init__(self, path: str, *, is_drive: bool, created: bool = False, mode: int = 0o666) -> None:
        self.path = path
        self.is_drive = is_drive
        self.created = created
        self._mode = mode
        self.notices: list[Notice] = []
        self.state = State.UNTOUCHED
        self.direct = True
        self.descriptor = self._open()
        if not is_drive:
            self._lock()
        self.capacity = _ioctl_u64(self.descriptor, _BLKGETSIZE64) if is_drive else None
        self.block = max(512, _ioctl_u32(self.descriptor, _BLKSSZGET)) if is_drive else BLOCK

    def open_buffered(self) -> int:
        """A second descriptor, through the page cache, for reads and writes of any length."""
        return os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def write_buffered(self, reason: str) -> None:
        """From now on write through the page cache, and say so."""
        if not self.direct:
            return
        self.direct = False
        flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFL)
        fcntl.fcntl(self.descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)
        self.notices.append(
            Notice("buffered", f"{self.path} does not take direct I/O ({reason}): it is written buffered.")
        )

    def flush(self) -> None:
        """Return when all that was written is on the medium."""
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            raise from_os_error(error, self.path) from error

    def truncate(self, length: int) -> None:
        """Give a file its length; drives have theirs."""
        if self.is_drive:
            return
        try:
            os.ftruncate(self.descriptor, length)
        except OSError as error:
            raise from_os_error(error, self.path) from error

    def drop_cache(self) -> Reading:
        """Flush, drop what the page cache holds, and prepare to read from the medium itself."""
        self.flush()
        if self.is_drive:
            # Not every device has it, and a direct read bypasses the cache anyhow.
            with contextlib.suppress(OSError):
                fcntl.ioctl(self.descriptor, _BLKFLSBUF)
        os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return self._reading()

    def reread_table(self) -> None:
        """Let the system see the new partitions. What it does not see is no failure of the flash."""
        if not self.is_drive:
            return
        for attempt in range(5):
            try:
                fcntl.ioctl(self.descriptor, _BLKRRPART)
                return
            except OSError as error:
                # EINVAL: a device without partitions, such as a plain loop device.
                if error.errno == errno.EINVAL:
                    return
                if error.errno != errno.EBUSY:
                    break
            time.sleep(0.1 * (attempt + 1))
        self.notices.append(
            Notice(
                "old-partitions-shown",
                f"The system still shows the old partitions of {self.path}: replug it.",
            )
        )

    def finish(self) -> None:
        """The image is on the target, flushed."""
        self.flush()
        self.reread_table()
        self.state = State.FINISHED

    def left_as(self) -> str:
        """A sentence about what a run that ends now leaves behind."""
        if self.state is State.UNTOUCHED:
            return f"Nothing was written to {self.path}."
        if self.created:
            return f"The partial file {self.path} was removed."
        kind = "drive" if self.is_drive else "file"
        if self.state is State.COMPLETE:
            return f"The {kind} {self.path} holds the image as it came, without further changes."
        return f"The {kind} {self.path} does not hold a usable image."

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finished = self.state is State.FINISHED
        if not finished and self.created:
            self._unlink()
        try:
            os.close(self.descriptor)
        except OSError as failure:
            if error is None:
                raise from_os_error(failure, self.path) from failure
        if finished:
            return
        if isinstance(error, ResinError):
            _add_state(error, self.left_as())
        elif isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"Interrupted. {self.left_as()}", state=self.state.value) from error

    def _reading(self) -> Reading:
        if not self.direct:
            return Reading(False, "it does not take direct I/O")
        if self.is_drive:
            return _reading_of_drive(self.path)
        kind = file_system_of(self.path)
        if kind in _PAST_THE_CACHE:
            return Reading(True)
        return Reading(False, f"it is on {kind or 'an unknown file system'}")

    def _lock(self) -> None:
        """Keep other runs away from a file, as O_EXCL does from a drive."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self.descriptor)
            raise Refused(
                f"Another program is writing {self.path}.",
                hint="Wait until it is done, or name another file.",
            ) from None

    def _unlink(self) -> None:
        """Remove the file that this run created, and no other that has come into its place."""
        with contextlib.suppress(OSError):
            if os.path.samestat(Path(self.path).stat(), os.fstat(self.descriptor)):
                Path(self.path).unlink()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if self.is_drive else os.O_CREAT)
        try:
            try:
                return os.open(self.path, flags | os.O_DIRECT, self._mode)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
            descriptor = os.open(self.path, flags, self._mode)
        except OSError as error:
            raise self._not_opened(error) from error
        self.direct = False
        self.notices.append(
            Notice("buffered", f"{self.path} does not take direct I/O: it is written buffered.")
        )
        return descriptor

    def _not_opened(self, error: OSError) -> ResinError:
        if error.errno == errno.EBUSY:
            return _busy(self.path)
        if error.errno in (errno.EACCES, errno.EPERM):
            return NotPermitted(
                f"{self.path} may not be written by this user.",
                hint="Run it with `sudo` and the full path of `resin`."
                if self.is_drive
                else "Choose a folder that you may write to.",
            )
        return from_os_error(error, self.path)


def open_drive(path: str) -> Target:
    """Open a drive for this program alone. Raises Refused where it is in use, NotPermitted, DriveNotFound."""
    return Target(os.path.realpath(path), is_drive=True)


def open_file(path: str, *, like: str | None = None) -> Target:
    """Open a file that stands for a drive, and create it where there is none.

    A new one is readable by no more people than the image `like`; by its owner alone where that is no file.
    Raises PathNotFound for a missing folder, BadValue for what is neither a file nor absent.
    """
    place = Path(path)
    if place.exists() and not place.is_file():
        kind = "a folder" if place.is_dir() else "not a regular file"
        raise BadValue(f"{path} is {kind}.", hint="Name a drive, or a file to write the image to.")
    if not place.parent.is_dir():
        raise PathNotFound(f"The folder {place.parent} does not exist.", hint="Make it first, with mkdir.")
    mode = Path(like).stat().st_mode & 0o666 if like is not None and Path(like).is_file() else 0o600
    return Target(path, is_drive=False, created=not place.exists(), mode=mode)


def is_drive(path: str) -> bool:
    try:
        return stat.S_ISBLK(Path(path).stat().st_mode)
    except OSError:
        return False


def check_room(target: Target, size: int | None) -> None:
    """Raise Refused (a drive) or NoSpace (a file system) where `size` bytes cannot fit; None is unknown."""
    if size is None:
        return
    if target.is_drive:
        from image_tools.drives import check_fits, find_drive

        check_fits(find_drive(target.path), size)
        return
    room = os.fstatvfs(target.descriptor)
    free = room.f_bavail * room.f_frsize + os.fstat(target.descriptor).st_blocks * 512
    # A file system that tells of no blocks at all does not know.
    if room.f_blocks and size > free:
        raise NoSpace(
            f"{target.path} has no room: {free} bytes are free there and the image needs {size}.",
            hint="Make room, or choose another place.",
            free=free,
            needed=size,
        )


def file_system_of(path: str) -> str:
    """The type of the file system that a file is on, empty where it is not known."""
    device = Path(path).stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        front, _, back = line.partition(" - ")
        if front.split()[2] == number:
            return back.split()[0]
    return ""


def _reading_of_drive(path: str) -> Reading:
    """Direct reads pass this system's cache; only the file behind a loop device has a cache of its own."""
    kernel = Kernel()
    name = Path(path).name
    backing = kernel.backing_file(name)
    if not backing or kernel.value(name, "loop/dio") == "1":
        return Reading(True)
    try:
        descriptor = os.open(backing, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return Reading(False, "the file behind the loop device is cached and cannot be opened")
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    kind = file_system_of(backing)
    if kind in _PAST_THE_CACHE or kind.startswith("fuse"):
        return Reading(True)
    return Reading(False, f"the file behind the loop device is on {kind or 'an unknown file system'}")


def _busy(path: str) -> Refused:
    from image_tools.drives import check_flashable, find_drive, users_of

    check_flashable(find_drive(path), allow_fixed=True)
    users = ", ".join(users_of(path))
    return Refused(
        f"{path} is in use by {users or 'another program'}.",
        hint="End that program first; on a desktop, it may be the file manager.",
        path=path,
    )


def _add_state(error: ResinError, state: str) -> None:
    if state in error.message:
        return
    error.message = f"{error.message} {state}"
    error.args = (error.message,)


def _ioctl_u64(descriptor: int, request: int) -> int:
    return int(struct.unpack("Q", fcntl.ioctl(descriptor, request, bytes(8)))[0])


def _ioctl_u32(descriptor: int, request: int) -> int:
    return int(struct.unpack("I", fcntl.ioctl(descriptor, request, bytes(4)))[0])

"""The target of a flash: a drive, opened exclusively, or a file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import time
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from image_tools.flash.direct_io import BLOCK, aligned, buffers, read_all, write_all
from image_tools.flash.io_errors import medium_failure, write_failure
from image_tools.flash.read_access import ReadAccess, drive_read_access, file_read_access
from image_tools.image_file import check_medium_of
from image_tools.private_files import OWNER_ONLY, create_file, keep_private, resolve_output, set_mode
from resin_toolkit.errors import (
    BadValue,
    Interrupted,
    Notice,
    NotPermitted,
    PathNotFound,
    Refused,
    ResinError,
    from_os_error,
)

# linux/fs.h, linux/cdrom.h
_BLKRRPART = 0x125F
_BLKFLSBUF = 0x1261
_BLKSSZGET = 0x1268
_BLKDISCARD = 0x1277
_BLKZEROOUT = 0x127F
_BLKGETSIZE64 = 0x80081272
_CDROMEJECT = 0x5309

HEAD = 1024 * 1024
"""The start of the image, which is written last: without it the drive cannot boot."""
TAIL_SECTORS = 34
"""The end of a drive that may hold a backup GPT (UEFI 2.10, 5.3.1: a header and at least 16 KiB)."""


class TargetState(Enum):
    """How far the target has been written."""

    UNTOUCHED = "untouched"
    ONLY_READ = "only-read"
    PARTIAL = "partial"
    FINISHED = "finished"


class Target:
    """An open drive or file, used in a `with` block.

    An exception that leaves the block is extended by the state of the target (in a note if it is no
    ResinError), and a file that this run created is removed. `finish` marks the target as complete. `notices`
    are for the user. Sizes are in bytes; `capacity` is None for a file. `descriptor` is an exclusively opened
    descriptor, if not opened here. While a thread `is_busy` with the target, leaving the block does not close
    it.
    """

    def __init__(
        self,
        path: str,
        *,
        is_drive: bool,
        created: bool = False,
        mode: int = OWNER_ONLY,
        descriptor: int | None = None,
        real_path: str = "",
    ) -> None:
        self.path = path
        self._real_path = real_path or path
        self.is_drive = is_drive
        self.created = created
        self._mode = mode
        self.notices: list[Notice] = []
        self.state = TargetState.UNTOUCHED
        self.is_busy = False
        self.is_clear = True
        """Whether the boot areas were zero when they were last read."""
        self._is_checked_clear = False
        self.direct = True
        self.descriptor = self._open() if descriptor is None else descriptor
        if not is_drive:
            self._lock()
        self.capacity = _ioctl_u64(self.descriptor, _BLKGETSIZE64) if is_drive else None
        self.block = max(512, _ioctl_u32(self.descriptor, _BLKSSZGET)) if is_drive else BLOCK
        self._check_medium = check_medium_of(self.descriptor, path)

    @property
    def tail(self) -> tuple[int, int]:
        """The range of a backup GPT, as (start, end); empty for a file."""
        if self.capacity is None:
            return 0, 0
        start = (self.capacity - TAIL_SECTORS * self.block) // self.block * self.block
        return max(0, start), self.capacity

    @property
    def boot_areas(self) -> list[tuple[int, int]]:
        """The areas of a drive that could make it bootable, as (offset, length) in whole blocks."""
        start, end = self.tail
        return [(0, min(HEAD, end // self.block * self.block)), (start, end - start)]

    def clear_boot_areas(self) -> None:
        """Zero and flush the boot areas, so that an incomplete drive does not boot."""
        self.state, self._is_checked_clear = TargetState.PARTIAL, False
        if self.capacity is None:
            self._truncate(0)
            return
        for place, length in self.boot_areas:
            self.write(aligned(b"", length), place)
        self.flush()
        self.is_clear = self._boot_areas_are_zero()

    def ensure_clear(self) -> None:
        """If the target is incomplete, read the boot areas again and clear them if necessary.

        A card may report a write as done but drop it, or store it at its start.
        """
        if self.state is not TargetState.PARTIAL or self.capacity is None or self._is_checked_clear:
            return
        # If the drive does not respond any more, the last known state is kept.
        with contextlib.suppress(ResinError):
            self.is_clear = self._boot_areas_are_zero()
            if not self.is_clear:
                self.clear_boot_areas()
        self._is_checked_clear = True

    def discard(self) -> bool:
        """Discard the whole drive (BLKDISCARD); returns whether it supports that."""
        if self.capacity is None:
            return False
        try:
            fcntl.ioctl(self.descriptor, _BLKDISCARD, struct.pack("QQ", 0, self.capacity))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
                raise write_failure(error, self, 0) from error
            return False
        self.state = TargetState.PARTIAL
        return True

    def write(self, data: memoryview, offset: int) -> None:
        """Write whole blocks; falls back to buffered writes, with a notice, if direct ones are refused.

        Raises Refused (a drive that is too small), NoSpace, IoFailed, DriveNotFound.
        """
        self.state = TargetState.PARTIAL
        self.is_clear = self.is_clear and offset >= HEAD
        try:
            write_all(self.descriptor, data, offset)
        except OSError as error:
            if error.errno != errno.EINVAL or not self.direct:
                raise write_failure(error, self, offset) from error
            self._write_buffered()
            self.write(data, offset)

    def zero(self, offset: int, length: int) -> bool:
        """Zero whole blocks with BLKZEROOUT; returns whether the device supports it.

        The kernel writes zeros if the drive has no command for it. Raises what `write` raises.
        """
        self.state = TargetState.PARTIAL
        try:
            fcntl.ioctl(self.descriptor, _BLKZEROOUT, struct.pack("QQ", offset, length))
            return True
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
                raise write_failure(error, self, offset) from error
            return False

    def read(self, offset: int, length: int) -> bytes:
        """Read whole blocks; short at the end. Raises IoFailed, DriveNotFound."""
        [buffer] = buffers(1, length)
        try:
            return bytes(buffer[: read_all(self.descriptor, buffer, offset, length)])
        except OSError as error:
            raise medium_failure(error, self.path, offset, "read back") from error

    def flush(self) -> None:
        """Flush all writes to the medium."""
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            raise write_failure(error, self, 0) from error

    def set_length(self, length: int) -> None:
        """Set the length of a file; no effect on a drive."""
        if self.capacity is None:
            self._truncate(length)

    def drop_cache(self, *, flush: bool = True) -> ReadAccess:
        """Flush and drop the page cache, to read from the medium itself."""
        if flush:
            self.flush()
        if self.is_drive:
            # Not every device supports it, and direct reads bypass the cache anyway.
            with contextlib.suppress(OSError):
                fcntl.ioctl(self.descriptor, _BLKFLSBUF)
        os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if not self.direct:
            return ReadAccess(False, "it does not support direct I/O")
        return drive_read_access(self.path) if self.is_drive else file_read_access(self.path)

    def check_not_exchanged(self) -> None:
        """Raise Refused if the medium in the drive is no longer the one that was opened."""
        self._check_medium()

    def finish(self) -> None:
        """Flush, make the kernel reread the partition table, and mark the target as complete.

        Only the owner of a file can read it if it holds a secret.
        """
        self.flush()
        self._set_final_mode()
        self._reread_table()
        self.state = TargetState.FINISHED

    def eject(self) -> None:
        """Eject the medium of the drive; a notice says if that fails, or if it is another medium now."""
        if not self.is_drive:
            return
        try:
            self.check_not_exchanged()
        except Refused as error:
            self.notices.append(Notice("not-ejected", error.message))
            return
        try:
            fcntl.ioctl(self.descriptor, _CDROMEJECT)
        except OSError:
            self.notices.append(
                Notice(
                    "not-ejected",
                    f"{self.path} cannot be ejected; all data is flushed, so it is safe to remove.",
                )
            )

    def state_sentence(self) -> str:
        """A sentence about the state of the target if the run ends now; empty if it is only compared."""
        kind = "drive" if self.is_drive else "file"
        if self.state is TargetState.ONLY_READ:
            return ""
        if self.state is TargetState.UNTOUCHED:
            return f"Nothing was written to {self.path}."
        if self.state is TargetState.FINISHED:
            return f"The {kind} {self.path} holds the image."
        if self.created:
            return f"The partial file {self.path} was removed."
        unusable = f"The {kind} {self.path} does not hold a usable image"
        if not self.is_clear:
            return (
                f"{unusable}, and its start could not be cleared: an old or damaged system may boot from it."
            )
        return f"{unusable} and cannot boot."

    def add_state(self, error: ResinError) -> ResinError:
        """Append the state of the target to the message of the error."""
        state = self.state_sentence()
        if state not in error.message:
            error.message = f"{error.message} {state}".rstrip()
            error.args = (error.message,)
        return error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finished = self.state is TargetState.FINISHED
        if not finished and self.created:
            self._unlink()
        if not self.is_busy:
            self._close(error)
        if isinstance(error, ResinError):
            self.add_state(error)
        elif isinstance(error, KeyboardInterrupt):
            raise Interrupted(
                f"Interrupted. {self.state_sentence()}".rstrip(), state=self.state.value
            ) from error
        elif error is not None:
            error.add_note(self.state_sentence())

    def _close(self, error: BaseException | None) -> None:
        if error is not None:
            self.ensure_clear()
        try:
            os.close(self.descriptor)
        except OSError as failure:
            if error is None:
                raise from_os_error(failure, self.path) from failure

    def _set_final_mode(self) -> None:
        if self.is_drive:
            return
        with open(f"/proc/self/fd/{self.descriptor}", "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            if self.created:
                set_mode(file, self._mode)
            elif notice := keep_private(file, self.path):
                self.notices.append(notice)

    def _boot_areas_are_zero(self) -> bool:
        self.drop_cache()
        return not any(self.read(place, length).strip(b"\0") for place, length in self.boot_areas)

    def _truncate(self, length: int) -> None:
        try:
            os.ftruncate(self.descriptor, length)
        except OSError as error:
            raise from_os_error(error, self.path) from error

    def _write_buffered(self) -> None:
        """Switch to buffered writes, with a notice."""
        self.direct = False
        flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFL)
        fcntl.fcntl(self.descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)
        self.notices.append(_buffered(self.path))

    def _reread_table(self) -> None:
        """Make the kernel reread the partition table. A failure is only a notice."""
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
                if error.errno in (errno.EACCES, errno.EPERM) and self._rescan_by_udisks():
                    return
                if error.errno != errno.EBUSY:
                    break
            time.sleep(0.1 * (attempt + 1))
        self.notices.append(
            Notice(
                "old-partitions-shown",
                f"The system still shows the old partitions of {self.path}: unplug it and plug it in again.",
            )
        )

    def _rescan_by_udisks(self) -> bool:
        """Whether udisks2 made the kernel reread the table, if this user may not."""
        from image_tools.drives import udisks

        try:
            udisks.rescan(Path(self.path).name)
        except udisks.UdisksError:
            return False
        return True

    def _lock(self) -> None:
        """Lock a file against other runs, as O_EXCL does for a drive."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self.descriptor)
            raise Refused(
                f"Another program is writing {self.path}.",
                hint="Wait until it is done, or name another file.",
            ) from None

    def _unlink(self) -> None:
        """Remove the file that this run created, unless another file has replaced it."""
        place = Path(self._real_path)  # keep a link that existed before
        with contextlib.suppress(OSError):
            if os.path.samestat(place.stat(), os.fstat(self.descriptor)):
                place.unlink()

    def _open(self) -> int:
        try:
            if self.created:
                descriptor = create_file(Path(self._real_path))
            else:
                # The path of a file has no links any more.
                kept = os.O_EXCL if self.is_drive else os.O_NOFOLLOW
                descriptor = os.open(self._real_path, os.O_RDWR | os.O_CLOEXEC | kept)
        except OSError as error:
            raise self._open_error(error) from error
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        try:
            # Not at once: where direct I/O is refused, a new file would be left behind.
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT)
        except OSError:
            self.direct = False
            self.notices.append(_buffered(self.path))
        return descriptor

    def _open_error(self, error: OSError) -> ResinError:
        if error.errno == errno.EBUSY:
            return _busy(self.path)
        if error.errno in (errno.EACCES, errno.EPERM):
            return NotPermitted(
                f"You may not write to {self.path}.",
                hint="Choose a folder that you may write to.",
                path=self.path,
            )
        return from_os_error(error, self.path)


def open_drive(path: str) -> Target:
    """Open a drive exclusively, through udisks2 if this user may not open it.

    Raises Refused if it is in use, NotPermitted, DriveNotFound.
    """
    real = os.path.realpath(path)
    try:
        return Target(real, is_drive=True)
    except NotPermitted as error:
        from image_tools.drives import udisks

        try:
            descriptor = udisks.open_drive(Path(real).name)
        except udisks.UdisksError as problem:
            if problem.busy:
                raise _busy(real) from problem
            raise NotPermitted(
                f"You may not write to {real}, and {problem.reason}.",
                hint="Run the command as root.",
                path=real,
            ) from error
        return Target(real, is_drive=True, descriptor=descriptor)


def open_file(path: str, *, like: str | None = None) -> Target:
    """Open or create a file to be written like a drive.

    A new file can be read by its owner only until `finish`, which gives it at most the permissions of the
    image `like`, and none to others if it holds a secret or if `like` is not a file.

    Raises PathNotFound for a missing folder, BadValue if `path` is not a regular file, Refused for a link
    that another user may have prepared.
    """
    place = Path(path)
    if place.exists() and not place.is_file():
        kind = "a folder" if place.is_dir() else "not a regular file"
        raise BadValue(f"{path} is {kind}.", hint="Name a drive, or a file to write the image to.")
    if not place.parent.is_dir():
        raise PathNotFound(f"The folder {place.parent} does not exist.", hint="Create it first.")
    mode = Path(like).stat().st_mode & 0o666 if like is not None and Path(like).is_file() else 0o600
    return Target(
        path, is_drive=False, created=not place.exists(), mode=mode, real_path=str(resolve_output(place))
    )


def is_drive(path: str) -> bool:
    try:
        return stat.S_ISBLK(Path(path).stat().st_mode)
    except OSError:
        return False


def _busy(path: str) -> Refused:
    from image_tools.drives import check_flashable, find_drive, processes_using

    check_flashable(find_drive(path), allow_fixed=True)
    users = ", ".join(processes_using(path))
    return Refused(
        f"{path} is in use by {users or 'another program'}.",
        hint="Close that program first. On a desktop, it may be the file manager.",
        path=path,
    )


def _buffered(path: str) -> Notice:
    return Notice("buffered", f"{path} does not support direct I/O, so it is written through the page cache.")


def _ioctl_u64(descriptor: int, request: int) -> int:
    return int(struct.unpack("Q", fcntl.ioctl(descriptor, request, bytes(8)))[0])


def _ioctl_u32(descriptor: int, request: int) -> int:
    return int(struct.unpack("I", fcntl.ioctl(descriptor, request, bytes(4)))[0])

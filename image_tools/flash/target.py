"""What an image is written to: a drive, opened exclusively, or a file."""

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
"""The beginning of the image, which is written last: without it a drive holds no system."""
TAIL_SECTORS = 34
"""The end of a drive that may hold the backup of a GPT (UEFI 2.10, 5.3.1: a header and at least 16 KiB)."""


class State(Enum):
    """How far the writing of an image has come."""

    UNTOUCHED = "untouched"
    ONLY_READ = "only-read"
    PARTIAL = "partial"
    FINISHED = "finished"


class Target:
    """An open drive or file, in a `with` block.

    A failure that leaves the block says what state the target is in, one that is no ResinError by a note; a
    file that this run created is then removed. `finish` marks the work as done. `notices` holds what the user
    should know. Sizes are in bytes; `capacity` is None for a file. `descriptor` is one that somebody else has
    opened, exclusively. While another thread `is_busy` with it, an end of the block neither waits nor closes.
    """

    def __init__(
        self,
        path: str,
        *,
        is_drive: bool,
        created: bool = False,
        mode: int = 0o666,
        descriptor: int | None = None,
    ) -> None:
        self.path = path
        self.is_drive = is_drive
        self.created = created
        self._mode = mode
        self.notices: list[Notice] = []
        self.state = State.UNTOUCHED
        self.is_busy = False
        self.is_clear = True
        """Whether there was nothing where a system starts from when that was looked at last."""
        self._is_secured = False
        self.direct = True
        self.descriptor = self._open() if descriptor is None else descriptor
        if not is_drive:
            self._lock()
        self.capacity = _ioctl_u64(self.descriptor, _BLKGETSIZE64) if is_drive else None
        self.block = max(512, _ioctl_u32(self.descriptor, _BLKSSZGET)) if is_drive else BLOCK

    @property
    def tail(self) -> tuple[int, int]:
        """Where a GPT's backup would lie, as (start, end); empty for a file."""
        if self.capacity is None:
            return 0, 0
        start = (self.capacity - TAIL_SECTORS * self.block) // self.block * self.block
        return max(0, start), self.capacity

    @property
    def starts(self) -> list[tuple[int, int]]:
        """Where a drive's system could start from, as (offset, length) in whole blocks."""
        start, end = self.tail
        return [(0, min(HEAD, end // self.block * self.block)), (start, end - start)]

    def blank(self) -> None:
        """Clear what could boot, so that it does not, not even as a mixture with what comes; flushed."""
        self.state, self._is_secured = State.PARTIAL, False
        if self.capacity is None:
            self._truncate(0)
            return
        for place, length in self.starts:
            self.write(aligned(b"", length), place)
        self.flush()
        self.is_clear = self._reads_as_clear()

    def secure(self) -> None:
        """Where the work was not finished, look whether anything could boot, and clear it if so.

        A card may report a write as done and lose it, or let it come out at its start.
        """
        if self.state is not State.PARTIAL or self.capacity is None or self._is_secured:
            return
        # A drive that does not answer any more is as it was when it was looked at last.
        with contextlib.suppress(ResinError):
            self.is_clear = self._reads_as_clear()
            if not self.is_clear:
                self.blank()
        self._is_secured = True

    def discard(self) -> bool:
        """Give the whole drive back to its controller (BLKDISCARD); tells whether it takes that."""
        if self.capacity is None:
            return False
        try:
            fcntl.ioctl(self.descriptor, _BLKDISCARD, struct.pack("QQ", 0, self.capacity))
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
                raise write_failure(error, self, 0) from error
            return False
        self.state = State.PARTIAL
        return True

    def write(self, data: memoryview, offset: int) -> None:
        """Write whole blocks; falls back to buffered writes, aloud, where the system refuses direct ones.

        Raises Refused (a drive that is too small), NoSpace, IoFailed, DriveNotFound.
        """
        self.state = State.PARTIAL
        self.is_clear = self.is_clear and offset >= HEAD
        try:
            write_all(self.descriptor, data, offset)
        except OSError as error:
            if error.errno != errno.EINVAL or not self.direct:
                raise write_failure(error, self, offset) from error
            self._write_buffered()
            self.write(data, offset)

    def zero(self, offset: int, length: int) -> bool:
        """Let a drive write zeros by itself (BLKZEROOUT), in whole blocks; tells whether it does.

        The system writes them where the drive has no command for it. Raises what `write` raises.
        """
        self.state = State.PARTIAL
        try:
            fcntl.ioctl(self.descriptor, _BLKZEROOUT, struct.pack("QQ", offset, length))
            return True
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
                raise write_failure(error, self, offset) from error
            return False

    def read(self, offset: int, length: int) -> bytes:
        """What is at an offset, both in whole blocks; short at the end. Raises IoFailed, DriveNotFound."""
        [buffer] = buffers(1, length)
        try:
            return bytes(buffer[: read_all(self.descriptor, buffer, offset, length)])
        except OSError as error:
            raise medium_failure(error, self.path, offset, "read back") from error

    def flush(self) -> None:
        """Return when all that was written is on the medium."""
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            raise write_failure(error, self, 0) from error

    def set_length(self, length: int) -> None:
        """Give a file its length; drives have theirs."""
        if self.capacity is None:
            self._truncate(length)

    def drop_cache(self, *, flush: bool = True) -> ReadAccess:
        """Drop what the page cache holds, flushed before, and prepare to read from the medium itself."""
        if flush:
            self.flush()
        if self.is_drive:
            # Not every device has it, and a direct read bypasses the cache anyhow.
            with contextlib.suppress(OSError):
                fcntl.ioctl(self.descriptor, _BLKFLSBUF)
        os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if not self.direct:
            return ReadAccess(False, "it does not take direct I/O")
        return drive_read_access(self.path) if self.is_drive else file_read_access(self.path)

    def finish(self) -> None:
        """The image is on the target, flushed; the system is told of the new partitions."""
        self.flush()
        self._reread_table()
        self.state = State.FINISHED

    def eject(self) -> None:
        """Let the drive's medium go; says so where it cannot."""
        if not self.is_drive:
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

    def left_as(self) -> str:
        """A sentence about what a run that ends now leaves behind; none about what is only compared."""
        kind = "drive" if self.is_drive else "file"
        if self.state is State.ONLY_READ:
            return ""
        if self.state is State.UNTOUCHED:
            return f"Nothing was written to {self.path}."
        if self.state is State.FINISHED:
            return f"The {kind} {self.path} holds the image."
        if self.created:
            return f"The partial file {self.path} was removed."
        told = f"The {kind} {self.path} does not hold a usable image"
        if not self.is_clear:
            return f"{told}, and its start could not be cleared: something old or damaged may start from it."
        return f"{told}: it holds no system that could start."

    def explain(self, error: ResinError) -> ResinError:
        """The same error, which also says what state the target is in."""
        state = self.left_as()
        if state not in error.message:
            error.message = f"{error.message} {state}".rstrip()
            error.args = (error.message,)
        return error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finished = self.state is State.FINISHED
        if not finished and self.created:
            self._unlink()
        if not self.is_busy:
            self._close(error)
        if isinstance(error, ResinError):
            self.explain(error)
        elif isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"Interrupted. {self.left_as()}".rstrip(), state=self.state.value) from error
        elif error is not None:
            error.add_note(self.left_as())

    def _close(self, error: BaseException | None) -> None:
        if error is not None:
            self.secure()
        try:
            os.close(self.descriptor)
        except OSError as failure:
            if error is None:
                raise from_os_error(failure, self.path) from failure

    def _reads_as_clear(self) -> bool:
        self.drop_cache()
        return not any(self.read(place, length).strip(b"\0") for place, length in self.starts)

    def _truncate(self, length: int) -> None:
        try:
            os.ftruncate(self.descriptor, length)
        except OSError as error:
            raise from_os_error(error, self.path) from error

    def _write_buffered(self) -> None:
        """From now on write through the page cache, and say so."""
        self.direct = False
        flags = fcntl.fcntl(self.descriptor, fcntl.F_GETFL)
        fcntl.fcntl(self.descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)
        self.notices.append(_buffered(self.path))

    def _reread_table(self) -> None:
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
                if error.errno in (errno.EACCES, errno.EPERM) and self._rescanned():
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

    def _rescanned(self) -> bool:
        """Whether udisks2 has had the table read, where this user may not."""
        from image_tools.drives import udisks

        try:
            udisks.rescan(Path(self.path).name)
        except udisks.UdisksError:
            return False
        return True

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
        place = Path(os.path.realpath(self.path))  # a link stays, as it was there before
        with contextlib.suppress(OSError):
            if os.path.samestat(place.stat(), os.fstat(self.descriptor)):
                place.unlink()

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
        self.notices.append(_buffered(self.path))
        return descriptor

    def _not_opened(self, error: OSError) -> ResinError:
        if error.errno == errno.EBUSY:
            return _busy(self.path)
        if error.errno in (errno.EACCES, errno.EPERM):
            return NotPermitted(
                f"{self.path} may not be written by this user.",
                hint="Choose a folder that you may write to.",
                path=self.path,
            )
        return from_os_error(error, self.path)


def open_drive(path: str) -> Target:
    """Open a drive for this program alone; where this user may not, udisks2 is asked to.

    Raises Refused where it is in use, NotPermitted, DriveNotFound.
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
                f"{real} may not be written by this user, and {problem.reason}.",
                hint="Run the command as root.",
                path=real,
            ) from error
        return Target(real, is_drive=True, descriptor=descriptor)


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
        raise PathNotFound(f"The folder {place.parent} does not exist.", hint="Create it first.")
    mode = Path(like).stat().st_mode & 0o666 if like is not None and Path(like).is_file() else 0o600
    return Target(path, is_drive=False, created=not place.exists(), mode=mode)


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
        hint="End that program first; on a desktop, it may be the file manager.",
        path=path,
    )


def _buffered(path: str) -> Notice:
    return Notice("buffered", f"{path} does not take direct I/O: it is written through the page cache.")


def _ioctl_u64(descriptor: int, request: int) -> int:
    return int(struct.unpack("Q", fcntl.ioctl(descriptor, request, bytes(8)))[0])


def _ioctl_u32(descriptor: int, request: int) -> int:
    return int(struct.unpack("I", fcntl.ioctl(descriptor, request, bytes(4)))[0])

"""A file that lies: a FUSE file over another one that drops, flips, wraps or refuses what is written to it.

Speaks the kernel's protocol itself (linux/fuse.h, version 7.31), so that tests need no library, only root.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

_HEADER = struct.Struct("<IIQQIIIHH")
_REPLY = struct.Struct("<IiQ")
_GETATTR, _SETATTR, _OPEN, _READ, _WRITE, _STATFS = 3, 4, 14, 15, 16, 17
_RELEASE, _FSYNC, _FLUSH, _INIT, _DESTROY = 18, 20, 25, 26, 38
_WITHOUT_REPLY = (2, 36, 42)  # FORGET, INTERRUPT, BATCH_FORGET
_KEEP_CACHE = 2  # as on a disk, what the cache holds survives another open
_LARGEST_WRITE = 128 * 1024
_LAZY = 2  # MNT_DETACH
_SLOW = 24 * 1024 * 1024


class Fault(Enum):
    """What goes wrong at an offset, in the spirit of real cards."""

    DROP = "drop"
    """The write that covers the offset is reported as done, and is not."""
    FLIP = "flip"
    """One bit at the offset is stored wrong, each time."""
    STUCK = "stuck"
    """That bit is always stored as zero."""
    FLIP_ONCE = "flip-once"
    """The same, but only the first time."""
    LIMIT = "limit"
    """What is written from the offset on is lost, and reads as zero."""
    ONES = "ones"
    """What is written from the offset on reads as all ones."""
    WRAP = "wrap"
    """A counterfeit card: from the offset on, writes go to the start again."""
    WRITE_ERROR = "write-error"
    READ_ERROR = "read-error"
    """Only after it was written."""
    UNREADABLE = "unreadable"
    """From the start."""
    SLOW_READ = "slow-read"
    """What covers the offset takes a second to be read."""
    SLOW_READS = "slow-reads"
    """From the offset on, each read takes a twentieth of a second."""
    SLOW = "slow"
    """From the offset on, it takes so much at a time that it writes 24 MiB/s."""
    LATE = "late"
    """The write that covers the offset takes some seconds."""


@contextmanager
def faulty_file(folder: Path, size: int, fault: Fault, offset: int) -> Iterator[Path]:
    """The path of a file of `size` bytes with that fault, served by a process of its own."""
    backing, front = folder / "faulty-backing.img", folder / "faulty.img"
    front.touch()
    with backing.open("wb") as file:
        file.truncate(size)
    command = [sys.executable, __file__, str(front), str(backing), fault.value, str(offset)]
    server = subprocess.Popen(command)
    try:
        _await_mount(front, server)
        yield front
    finally:
        _libc().umount2(os.fsencode(front), _LAZY)
        try:
            server.wait(10)
        finally:
            server.kill()
            server.wait()


def _await_mount(front: Path, server: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        if front.stat().st_size:
            return
        if server.poll() is not None:
            break
        time.sleep(0.01)
    raise AssertionError("the faulty file could not be mounted")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


class _Server:
    def __init__(self, backing: str, fault: Fault, offset: int) -> None:
        self._file = os.open(backing, os.O_RDWR)
        self._size = os.fstat(self._file).st_size
        self._fault = fault
        self._offset = offset
        self._written = False
        self._times = 0

    def serve(self, device: int) -> None:
        while True:
            try:
                request = os.read(device, _LARGEST_WRITE + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:  # unmounted
                    return
                if error.errno == errno.ENOENT:  # a request that was interrupted
                    continue
                raise
            _, code, unique, _, *_ = _HEADER.unpack_from(request)
            if code in _WITHOUT_REPLY:
                continue
            try:
                body, problem = self._answer(code, memoryview(request)[_HEADER.size :]), 0
            except OSError as error:
                body, problem = b"", error.errno or errno.EIO
            os.write(device, _REPLY.pack(_REPLY.size + len(body), -problem, unique) + body)

    def _answer(self, code: int, body: memoryview) -> bytes:
        if code == _INIT:
            major, minor, ahead, _ = struct.unpack_from("<IIII", body)
            return struct.pack(
                "<IIIIHHIIHHI28x", major, min(minor, 31), ahead, 0, 16, 12, _LARGEST_WRITE, 1, 0, 0, 0
            )
        if code in (_GETATTR, _SETATTR):
            return struct.pack("<QII", 1, 0, 0) + self._attributes()
        if code == _OPEN:
            return struct.pack("<QII", 0, _KEEP_CACHE, 0)
        if code == _READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self._read(offset, size)
        if code == _WRITE:
            _, offset, size = struct.unpack_from("<QQI", body)
            self._write(offset, bytes(body[40 : 40 + size]))
            return struct.pack("<II", size, 0)
        if code == _STATFS:
            return struct.pack("<QQQQQIIII24x", 1 << 20, 1 << 20, 1 << 20, 1, 1, 4096, 255, 4096, 0)
        if code in (_RELEASE, _FSYNC, _FLUSH, _DESTROY):
            return b""
        raise OSError(errno.ENOSYS, "not served")

    def _attributes(self) -> bytes:
        times = (0,) * 6
        return struct.pack(
            "<QQQQQQIIIIIIIIII",
            *(1, self._size, self._size // 512, *times[:3]),
            *(*times[3:], stat.S_IFREG | 0o600, 1, 0, 0, 0, 4096, 0),
        )

    def _read(self, offset: int, size: int) -> bytes:
        if self._fault is Fault.SLOW_READ and offset <= self._offset < offset + size:
            time.sleep(1)
        if self._fault is Fault.SLOW_READS and offset + size > self._offset:
            time.sleep(0.05)
        if self._fault is Fault.READ_ERROR and self._written and offset <= self._offset < offset + size:
            raise OSError(errno.EIO, "a bad block")
        if self._fault is Fault.UNREADABLE and offset <= self._offset < offset + size:
            raise OSError(errno.EIO, "a bad block")
        return os.pread(self._file, size, offset)

    def _write(self, offset: int, data: bytes) -> None:
        place = self._offset - offset
        if self._fault in (Fault.LIMIT, Fault.ONES) and place < len(data):
            kept = max(place, 0)
            lost = b"\xff" * (len(data) - kept) if self._fault is Fault.ONES else b""
            data = data[:kept] + lost
        if self._fault is Fault.LATE and 0 <= place < len(data):
            time.sleep(4)
        if self._fault is Fault.SLOW and place < len(data):
            time.sleep(len(data) / _SLOW)
        elif self._fault is Fault.WRAP and place < len(data):
            offset %= self._offset
        elif 0 <= place < len(data):
            self._written = True
            if self._fault is Fault.WRITE_ERROR:
                raise OSError(errno.EIO, "a bad block")
            if self._fault is Fault.DROP:
                return
            self._times += 1
            if self._fault is Fault.STUCK:
                data = data[:place] + bytes([data[place] & ~0x04]) + data[place + 1 :]
            if self._fault is Fault.FLIP or (self._fault is Fault.FLIP_ONCE and self._times == 1):
                data = data[:place] + bytes([data[place] ^ 0x04]) + data[place + 1 :]
        os.pwrite(self._file, data, offset)


def main(front: str, backing: str, fault: str, offset: str) -> None:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode={stat.S_IFREG:o},user_id=0,group_id=0"
    if _libc().mount(b"faulty", os.fsencode(front), b"fuse.faulty", 0, options.encode()):
        raise OSError(ctypes.get_errno(), "mount")
    _Server(backing, Fault(fault), int(offset)).serve(device)


if __name__ == "__main__":
    main(*sys.argv[1:])

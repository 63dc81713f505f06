"""The clock of one running process, set apart from the machine's: its vDSO is made to answer otherwise.

A Go program asks for the time through `__vdso_clock_gettime`, code that the kernel maps into each process
(vdso(7)). Its first instruction becomes a jump to a stub behind that code, which makes the system call and
adds a number of seconds to what CLOCK_REALTIME says. Other processes keep their own code: what is written
through /proc/PID/mem becomes a copy.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device.desk import wait_for

_FUNCTION = b"__vdso_clock_gettime"
# System V ABI: rdi is the clock, rsi the timespec; rcx and r11 are the system call's to overwrite.
_STUB = bytes.fromhex(
    "b8e4000000"  # mov eax, 228 (clock_gettime)
    "0f05"  # syscall
    "85c0 7513"  # if it failed: return
    "85ff 7405"  # if the clock is not CLOCK_REALTIME
    "83ff05 750a"  # nor CLOCK_REALTIME_COARSE: return
    "488b0d05000000"  # mov rcx, the quadword behind this stub
    "48010e"  # add [rsi], rcx
    "c3 90"  # return
)
_ROOM = 64
"""Bytes at the end of the mapping that hold the stub and the quadword."""
_JUMP = 5
_SEIZE, _CONTINUE, _DETACH = 0x4206, 7, 17
_TRACE_EXEC, _EXECED = 0x10, 4
_ANY_CHILD = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_LIBC.ptrace.restype = ctypes.c_long


@dataclass(frozen=True)
class _Mapping:
    """The vDSO of a process; addresses are the process's own."""

    start: int
    end: int
    entry: int
    """Where its clock_gettime begins."""

    @property
    def stub(self) -> int:
        return self.end - _ROOM

    @property
    def jump(self) -> bytes:
        return b"\xe9" + struct.pack("<i", self.stub - (self.entry + _JUMP))


def set_clock(pid: int, seconds_ahead: int) -> None:
    """Let a running process see another time; 0 is the machine's again."""
    if platform.machine() != "x86_64":
        raise RuntimeError(f"the engine's clock can be set on x86_64 only, not on {platform.machine()}")
    mapping = _find(pid)
    memory = _Memory(pid)
    is_new = memory.read(mapping.entry, _JUMP) != mapping.jump
    if is_new:
        assert not any(memory.read(mapping.stub, _ROOM)), "the vDSO leaves no room for the stub"
        memory.write(mapping.stub, _STUB)
    memory.write(mapping.stub + len(_STUB), struct.pack("<q", seconds_ahead))
    if is_new:
        _redirect(pid, memory, mapping)


def set_clock_at_exec(pid: int, seconds_ahead: int) -> None:
    """Let a stopped process go on; the program that it executes next has that clock from the start."""
    _ptrace(_SEIZE, pid, _TRACE_EXEC)
    os.kill(pid, signal.SIGCONT)
    while True:
        _, status = os.waitpid(pid, _ANY_CHILD)
        if not os.WIFSTOPPED(status):
            raise RuntimeError(f"process {pid} ended before it executed anything")
        event = status >> 16
        if event == _EXECED:
            break
        _ptrace(_CONTINUE, pid, 0 if event else os.WSTOPSIG(status))
    try:
        set_clock(pid, seconds_ahead)
    finally:
        _ptrace(_DETACH, pid, 0)


def _redirect(pid: int, memory: _Memory, mapping: _Mapping) -> None:
    """Put the jump where no thread is in the middle of the instructions that it replaces."""
    overwritten = range(mapping.entry + 1, mapping.entry + _JUMP)
    is_done = False
    while not is_done:
        with _stopped(pid):
            is_done = not any(place in overwritten for place in _places(pid))
            if is_done:
                memory.write(mapping.entry, mapping.jump)


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    if _is_stopped(pid):
        yield
        return
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: _is_stopped(pid), f"the stop of process {pid}")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _is_stopped(pid: int) -> bool:
    threads = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(thread.rpartition(")")[2].split()[0] in "Tt" for thread in threads)


def _places(pid: int) -> Iterator[int]:
    """The program counters of a stopped process's threads (proc_pid_syscall(5))."""
    for path in Path(f"/proc/{pid}/task").glob("*/syscall"):
        words = path.read_text().split()
        if len(words) >= 3:
            yield int(words[-1], 16)


def _find(pid: int) -> _Mapping:
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    [line] = [line for line in lines if line.endswith("[vdso]")]
    start, end = (int(word, 16) for word in line.split()[0].split("-"))
    image = _Memory(pid).read(start, end - start)
    return _Mapping(start, end, start + _symbol(image))


def _symbol(image: bytes) -> int:
    """The offset of the function in a vDSO, an ELF shared object for 64 bits (elf(5))."""
    headers, count = struct.unpack_from("<Q", image, 32)[0], struct.unpack_from("<H", image, 56)[0]
    segments = [struct.unpack_from("<IIQQQQQQ", image, headers + 56 * number) for number in range(count)]
    [dynamic] = [segment for segment in segments if segment[0] == 2]
    offset, size = dynamic[2], dynamic[5]
    entries = dict(struct.iter_unpack("<QQ", image[offset : offset + size]))
    names, symbols = entries[5], entries[6]
    # The names follow the symbols, as every linker lays them out.
    table = image[symbols : symbols + (names - symbols) // 24 * 24]
    for name, _, _, _, value, _ in struct.iter_unpack("<IBBHQQ", table):
        if image[names + name :].startswith(_FUNCTION + b"\0"):
            return int(value)
    raise LookupError(f"the vDSO has no {_FUNCTION.decode()}")


class _Memory:
    """What a process has at its addresses (proc_pid_mem(5))."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/mem")

    def read(self, place: int, size: int) -> bytes:
        with self._path.open("rb", buffering=0) as file:
            file.seek(place)
            return file.read(size)

    def write(self, place: int, data: bytes) -> None:
        with self._path.open("r+b", buffering=0) as file:
            file.seek(place)
            assert file.write(data) == len(data)


def _ptrace(request: int, pid: int, data: int) -> None:
    if _LIBC.ptrace(request, pid, None, data) == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

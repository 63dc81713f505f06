"""Whether KVM is available for a machine, and faster than emulation."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time

from resin_toolkit.emulation.machines import Machine

_DEVICE = "/dev/kvm"
_PORT = 0x501
_CODE = 3
"""QEMU's exit code once 1 is written to that port: twice the value, plus one (isa-debug-exit)."""
# mov $0x501, %dx; mov $1, %al; out %al, (%dx); hlt; jmp to the hlt. A boot sector ends with 55 AA.
_GUEST = b"\xba\x01\x05\xb0\x01\xee\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa"
_SIZE = 1024 * 1024
_TIMEOUT = 20.0
_MIN_TIMEOUT = 1.0
_MAX_RATIO = 3.0
"""How many times as long as with emulation the guest may take with KVM. It runs a handful of instructions."""


def has_kvm(machine: Machine) -> bool:
    """Whether this machine's processor can run the code of `machine`, and this user may use KVM."""
    if not machine.is_pc or platform.machine() != machine.arch:
        return False
    try:
        os.close(os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def is_kvm_faster(program: str) -> bool:
    """Whether a guest of a few instructions ends about as soon with KVM as with emulation.

    On a host that is itself virtual, KVM may be available and a hundred times slower: a system then seems to
    hang.
    """
    emulated = _seconds(program, "tcg", _TIMEOUT)
    return (
        emulated is not None
        and _seconds(program, "kvm", max(_MIN_TIMEOUT, _MAX_RATIO * emulated)) is not None
    )


def _seconds(program: str, accelerator: str, timeout: float) -> float | None:
    """Seconds from the start of QEMU to the end of the guest; None if it does not end in time."""
    with tempfile.NamedTemporaryFile(prefix="resin-guest-") as disk:
        disk.write(_GUEST.ljust(_SIZE, b"\0"))
        disk.flush()
        command = [
            *(program, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-m", "64"),
            *("-accel", accelerator, "-drive", f"file={disk.name},format=raw,if=ide,snapshot=on"),
            *("-device", f"isa-debug-exit,iobase={_PORT:#x},iosize=1"),
        ]
        started = time.monotonic()
        try:
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        return time.monotonic() - started if result.returncode == _CODE else None

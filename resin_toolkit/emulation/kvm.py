"""Whether this machine's own processor can run a PC's code by KVM, and is any faster at it."""

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
"""What QEMU ends with once 1 is written to that port: twice the value, and one (isa-debug-exit)."""
# mov $0x501, %dx; mov $1, %al; out %al, (%dx); hlt; and back to the hlt. A sector that boots ends with 55 AA.
_GUEST = b"\xba\x01\x05\xb0\x01\xee\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa"
_SIZE = 1024 * 1024
_PATIENCE = 20.0
_LEAST = 1.0
_TIMES = 3.0
"""How much longer than emulated the guest may take, which does hardly anything, and at least how long."""


def has_kvm(machine: Machine) -> bool:
    """Whether this machine's own processor can run the code of `machine`, and this user may let it."""
    if not machine.is_pc or platform.machine() != machine.arch:
        return False
    try:
        os.close(os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def is_kvm_faster(program: str) -> bool:
    """Whether a guest of a few instructions ends as soon by KVM as emulated, or nearly.

    Where this machine is a virtual one itself, KVM may be there and take a hundred times as long: a system
    then seems to hang.
    """
    emulated = _seconds(program, "tcg", _PATIENCE)
    return emulated is not None and _seconds(program, "kvm", max(_LEAST, _TIMES * emulated)) is not None


def _seconds(program: str, accelerator: str, within: float) -> float | None:
    """From the start of QEMU to the end of the guest; None where it does not end in time."""
    with tempfile.NamedTemporaryFile(prefix="resin-guest-") as disk:
        disk.write(_GUEST.ljust(_SIZE, b"\0"))
        disk.flush()
        command = [
            *(program, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc", "-m", "64"),
            *("-accel", accelerator, "-drive", f"file={disk.name},format=raw,if=ide,snapshot=on"),
            *("-device", f"isa-debug-exit,iobase={_PORT:#x},iosize=1"),
        ]
        began = time.monotonic()
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=within,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        return time.monotonic() - began if done.returncode == _CODE else None

"""Start QEMU, with KVM if it is available and works."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from resin_toolkit.emulation import parent_watchdog
from resin_toolkit.emulation.command_line import QemuConfig, qemu_command_line
from resin_toolkit.emulation.disk import temporary_file
from resin_toolkit.emulation.firmware import Firmware
from resin_toolkit.emulation.kvm import has_kvm, is_kvm_faster
from resin_toolkit.emulation.machines import Machine
from resin_toolkit.emulation.qmp import QmpConnection
from resin_toolkit.emulation.virtual_machine import VirtualMachine
from resin_toolkit.errors import EmulatorFailed, Notice, NotSupported


def start_machine(
    config: QemuConfig, warn: Callable[[Notice], None], *, allow_kvm: bool = True
) -> VirtualMachine:
    """Start a machine; the caller releases it. `warn` is told why KVM is not used although it is there.

    Raises EmulatorFailed with QEMU's own message, and Refused if another program writes to the image.
    """
    if not (allow_kvm and _can_use_kvm(config, warn)):
        return _start(config, kvm=False)
    try:
        return _start(config, kvm=True)
    except EmulatorFailed as error:
        # If KVM is not the cause, the second attempt fails and reports what is.
        reason = error.message
    machine = _start(config, kvm=False)
    warn(Notice("no-kvm", f"KVM does not work on this machine, so emulation is slower: {reason}"))
    return machine


def copy_variables(firmware: Firmware | None, stack: ExitStack) -> BinaryIO | None:
    """Copy the empty variable store of a UEFI firmware for one run; `stack` deletes the copy."""
    if firmware is None:
        return None
    copy = stack.enter_context(temporary_file())
    with firmware.variables.open("rb") as store:
        shutil.copyfileobj(store, copy)
    copy.flush()
    return copy


def _can_use_kvm(config: QemuConfig, warn: Callable[[Notice], None]) -> bool:
    if not has_kvm(config.machine):
        return False
    if is_kvm_faster(config.program):
        return True
    warn(Notice("slow-kvm", "KVM is slower than emulation on this machine and is not used."))
    return False


def _start(config: QemuConfig, *, kvm: bool) -> VirtualMachine:
    return run_qemu(config.machine, qemu_command_line(config, kvm=kvm), config.inherited_files)


def run_qemu(machine: Machine, command: Sequence[str], inherited: Sequence[int]) -> VirtualMachine:
    """Run a QEMU command that inherits the descriptors `inherited`, and wait until it responds."""
    if os.name != "posix":
        raise NotSupported("`resin emulate` runs on Linux and macOS.", hint="On Windows, run it inside WSL.")
    with ExitStack() as resources:
        ours, theirs = socket.socketpair()
        resources.enter_context(ours)
        watched_end, own_end = os.pipe()
        resources.callback(os.close, own_end)
        stderr = resources.enter_context(tempfile.TemporaryFile())
        with theirs, open(watched_end, "rb"):  # noqa: PTH123 - a descriptor
            process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(parent_watchdog.__file__), str(watched_end)),
                    *command,
                    *("-chardev", f"socket,id=control,fd={theirs.fileno()}"),
                    *("-mon", "chardev=control,mode=control"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(*inherited, theirs.fileno(), watched_end),
                # Ctrl-C must not reach QEMU: `resin` shuts the machine down.
                start_new_session=True,
            )
        resources.callback(_end, process)
        running = VirtualMachine(machine, Path(command[0]).name, process, stderr, QmpConnection(ours))
        running.wait_until_started()
        running.resources = resources.pop_all()
    return running


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()

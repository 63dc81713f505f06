"""A running QEMU process: start it, watch it, and shut it down."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from resin_toolkit.emulation import parent_watchdog
from resin_toolkit.emulation.command_line import CONSOLE
from resin_toolkit.emulation.machines import Machine
from resin_toolkit.emulation.qmp import QmpClosed, QmpConnection, QmpEvent
from resin_toolkit.errors import EmulatorFailed, NotSupported, Refused, ResinError

_STARTING = 60.0
"""Seconds within which QEMU answers; what it emulates need not have begun."""
_LEAVING = 10.0
"""Seconds that QEMU has to write out what it holds."""
_AGAIN = 10.0
"""Seconds after which a system that was not listening is asked once more."""
_KEYS = ("ctrl", "alt", "delete")


class VirtualMachine:
    """QEMU, and the machine that it is. `console` is the terminal that its serial line ends in."""

    def __init__(
        self,
        machine: Machine,
        program: str,
        process: subprocess.Popen[bytes],
        said: IO[bytes],
        control: QmpConnection,
        watchdog_pipe: int,
    ) -> None:
        self._machine = machine
        self._program = program
        self._leash_end = watchdog_pipe
        self._process = process
        self._said = said
        self._control = control
        self.console = ""
        self.uses_kvm = False

    def next_event(self, within: float) -> QmpEvent | None:
        """What happens next, None if nothing does within so many seconds.

        Raises QmpClosed where the machine is off, EmulatorFailed where QEMU has come to grief.
        """
        try:
            return self._control.event(within)
        except QmpClosed:
            self._check_end()
            raise

    def power_down(self, within: float) -> bool:
        """Ask the system in it to end, and again while it does not; whether it is off within so many seconds.

        A system that starts anew is not started: QEMU ends there.
        """
        deadline = time.monotonic() + within
        try:
            self._control.execute("set-action", reboot="shutdown")
            while (left := deadline - time.monotonic()) > 0:
                self._press()
                if self._is_off_within(min(left, _AGAIN)):
                    return True
        except QmpClosed:
            return True
        return False

    def _press(self) -> None:
        """A PC's button; the keys that restart a board, which has no button."""
        if self._machine.is_pc:
            self._control.execute("system_powerdown")
            return
        self._control.execute("send-key", keys=[{"type": "qcode", "data": key} for key in _KEYS])

    def _is_off_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                self.next_event(left)
            except QmpClosed:
                return True
        return False

    def kill(self) -> None:
        """Off, now: what its system has not written yet is lost, as by a plug that is pulled."""
        if self._process.poll() is None:
            try:
                self._control.execute("quit", within=_LEAVING)
                self._process.wait(_LEAVING)
            except (QmpClosed, TimeoutError, EmulatorFailed, subprocess.TimeoutExpired):
                self._process.kill()

    def release(self) -> None:
        """Whatever has come about: QEMU is gone."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._control.close()
        self._said.close()
        os.close(self._leash_end)

    def wait_until_started(self) -> None:
        """Wait until QEMU answers, and ask it what it is. Raises what has kept it from starting."""
        try:
            self._control.negotiate(_STARTING)
            consoles = self._control.execute("query-chardev")
            self.uses_kvm = bool(self._control.execute("query-kvm")["enabled"])
        except QmpClosed:
            self._process.wait(_LEAVING)
            raise self._failure() from None
        except TimeoutError:
            raise EmulatorFailed("QEMU started, but does not respond.", hint="Try it once more.") from None
        [found] = [each["filename"] for each in consoles if each["label"] == CONSOLE]
        self.console = str(found).removeprefix("pty:")

    def _check_end(self) -> None:
        if self._process.wait(_LEAVING) != 0:
            raise self._failure()

    def _failure(self) -> ResinError:
        """Why QEMU has ended, in its own words as far as it had any."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        told = [line for line in lines if line.strip() and "char device redirected" not in line]
        reasons = [line for line in told if "warning:" not in line] or told
        words = reasons[0].removeprefix(f"{self._program}: ").strip() if reasons else ""
        if "Failed to get" in words and "lock" in words:
            return Refused("Another program is writing to the image.", hint="Stop that program first.")
        code = self._process.returncode
        ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        return EmulatorFailed(
            f"QEMU failed: {words.rstrip('.')}." if words else f"QEMU exited with {ended} and no message.",
            hint="`resin image info` shows whether the image is whole; an update of QEMU may help, too.",
            returncode=code,
        )


def start_machine(machine: Machine, command: Sequence[str], files: Sequence[int]) -> VirtualMachine:
    """Start QEMU by `command`; it inherits the descriptors `files`. The caller releases what is returned.

    Raises EmulatorFailed with QEMU's own words, and Refused where another program writes to the image.
    """
    if os.name != "posix":
        raise NotSupported("`resin emulate` runs on Linux and macOS.", hint="On Windows it does inside WSL.")
    ours, theirs = socket.socketpair()
    watchdog_pipe, held = os.pipe()
    said = tempfile.TemporaryFile()  # noqa: SIM115 - `release` closes it
    control = (
        *("-chardev", f"socket,id=control,fd={theirs.fileno()}"),
        *("-mon", "chardev=control,mode=control"),
    )
    try:
        process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                str(parent_watchdog.__file__),
                str(watchdog_pipe),
                *command,
                *control,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            pass_fds=(*files, theirs.fileno(), watchdog_pipe),
            # Ctrl-C is for us: it is we who then switch the machine off.
            start_new_session=True,
        )
    except BaseException:
        said.close()
        ours.close()
        os.close(held)
        raise
    finally:
        theirs.close()
        os.close(watchdog_pipe)
    running = VirtualMachine(machine, Path(command[0]).name, process, said, QmpConnection(ours), held)
    try:
        running.wait_until_started()
    except BaseException:
        running.release()
        raise
    return running

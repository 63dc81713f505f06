"""A running QEMU process: read its events, shut it down, cut its power."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import ExitStack
from typing import IO

from resin_toolkit.emulation.command_line import CONSOLE
from resin_toolkit.emulation.machines import Machine
from resin_toolkit.emulation.qmp import QmpClosed, QmpConnection, QmpEvent
from resin_toolkit.errors import EmulatorFailed, Refused, ResinError

_START_TIMEOUT = 60.0
"""Seconds within which QEMU must respond; the guest need not have booted by then."""
_EXIT_TIMEOUT = 10.0
"""Seconds that QEMU has to write its buffers and exit."""
_REPEAT = 10.0
"""Seconds after which a system that was not listening yet is asked to shut down again."""
_REBOOT_KEYS = ("ctrl", "alt", "delete")


class VirtualMachine:
    """A QEMU process. `console` is the path of the terminal that its serial port is connected to."""

    def __init__(
        self,
        machine: Machine,
        program: str,
        process: subprocess.Popen[bytes],
        stderr: IO[bytes],
        control: QmpConnection,
    ) -> None:
        self._machine = machine
        self._program = program
        self._process = process
        self._stderr = stderr
        self._control = control
        self.resources = ExitStack()
        """What `release` closes."""
        self.console = ""
        self.uses_kvm = False

    def wait(self, seconds: float) -> None:
        """Wait for an event, at most that long; an exception raised by a signal handler loses no event."""
        self._control.wait(seconds)

    def next_event(self) -> QmpEvent | None:
        """Return an event that has arrived, or None; does not block.

        Raises QmpClosed if the machine is off, EmulatorFailed if QEMU has failed.
        """
        try:
            return self._control.next_event()
        except QmpClosed:
            if self._process.wait(_EXIT_TIMEOUT) != 0:
                raise self._failure() from None
            raise

    def power_down(self, timeout: float) -> bool:
        """Ask the system to shut down until it does; return whether it is off within `timeout` seconds.

        A reboot ends QEMU, too.
        """
        deadline = time.monotonic() + timeout
        try:
            self._control.execute("set-action", reboot="shutdown")
            while (left := deadline - time.monotonic()) > 0:
                self._press_power_button()
                if self._is_off_within(min(left, _REPEAT)):
                    return True
        except QmpClosed:
            return True
        return False

    def _press_power_button(self) -> None:
        """A board has no power button: press the keys that make Linux reboot."""
        if self._machine.is_pc:
            self._control.execute("system_powerdown")
            return
        self._control.execute("send-key", keys=[{"type": "qcode", "data": key} for key in _REBOOT_KEYS])

    def _is_off_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.wait(left)
            try:
                self.next_event()
            except QmpClosed:
                return True
        return False

    def kill(self) -> None:
        """Cut the power: data that the system has not written yet is lost."""
        if self._process.poll() is None:
            try:
                self._control.execute("quit", within=_EXIT_TIMEOUT)
                self._process.wait(_EXIT_TIMEOUT)
            except (QmpClosed, TimeoutError, ValueError, EmulatorFailed, subprocess.TimeoutExpired):
                # ValueError: a signal may have interrupted the reading of a message.
                self._process.kill()

    def release(self) -> None:
        """Kill QEMU if it still runs, and close everything."""
        self.resources.close()

    def wait_until_started(self) -> None:
        """Wait until QEMU responds. Raises EmulatorFailed or Refused if it does not start."""
        try:
            self._control.negotiate(_START_TIMEOUT)
            consoles = self._control.execute("query-chardev")
            self.uses_kvm = bool(self._control.execute("query-kvm")["enabled"])
        except QmpClosed:
            self._process.wait(_EXIT_TIMEOUT)
            raise self._failure() from None
        except TimeoutError:
            raise EmulatorFailed(
                "QEMU started, but does not respond.", hint="Run the command again."
            ) from None
        [found] = [each["filename"] for each in consoles if each["label"] == CONSOLE]
        self.console = str(found).removeprefix("pty:")

    def _failure(self) -> ResinError:
        """The error for a QEMU that has exited, with its own message if there is one."""
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").splitlines()
        messages = [line for line in lines if line.strip() and "char device redirected" not in line]
        errors = [line for line in messages if "warning:" not in line] or messages
        reason = errors[0].removeprefix(f"{self._program}: ").strip() if errors else ""
        if "Failed to get" in reason and "lock" in reason:
            return Refused("Another program is writing to the image.", hint="Stop that program first.")
        code = self._process.returncode
        ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        return EmulatorFailed(
            f"QEMU failed: {reason.rstrip('.')}." if reason else f"QEMU exited with {ended} and no message.",
            hint="Check the image with `resin image info`, or upgrade QEMU.",
            returncode=code,
        )

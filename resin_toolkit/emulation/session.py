"""A session with a running machine: what happens in it until it is off, and shutting it down on a signal."""

from __future__ import annotations

import time
from enum import Enum
from typing import Protocol

from resin_toolkit.device.record import ENGINE_PORTS, SSH_PORT, Device
from resin_toolkit.emulation.interrupts import Interrupts
from resin_toolkit.emulation.port_forwarding import ForwardedPorts
from resin_toolkit.emulation.qmp import QmpClosed, QmpEvent
from resin_toolkit.emulation.readiness import engine_version, ssh_version
from resin_toolkit.emulation.virtual_machine import VirtualMachine

_POLL_INTERVAL = 1.0
"""Seconds between two attempts to reach the services."""
_ENGINE_TIMEOUT = 120.0
"""Seconds after SSH is up in which the engine is tried: that of a production image does not listen."""
SHUTDOWN_TIMEOUT = 60.0
"""Seconds that the system has to shut down."""
_SILENCE = 180.0
"""Seconds without a response after which the listener is told."""


class Ending(Enum):
    """How a session ended."""

    POWERED_OFF = "the system powered the machine off"
    SHUT_DOWN = "the system shut down on request"
    POWER_CUT = "the system did not shut down in time"


class SessionListener(Protocol):
    """What a session reports; called from the thread that runs it. Times are in seconds."""

    def ready(self, service: str, guest_port: int, version: str, seconds: float) -> None:
        """A service, `ssh` or `engine`, responds, so long after the last boot."""

    def silent(self) -> None:
        """No service has responded for a long time."""

    def rebooting(self) -> None:
        """The system reboots."""

    def disk_failed(self, reason: str) -> None:
        """The emulated disk cannot be read or written."""

    def shutting_down(self) -> None:
        """A signal has arrived and the system is asked to shut down."""


class Session:
    """Follows a machine until it is off. For one thread."""

    def __init__(
        self,
        machine: VirtualMachine,
        ports: ForwardedPorts,
        interrupts: Interrupts,
        listener: SessionListener,
    ) -> None:
        self._machine = machine
        self._ports = ports
        self._interrupts = interrupts
        self._listener = listener
        self._started = self._booted = time.monotonic()
        self._ssh_ready: float | None = None
        self._is_engine_ready = False
        self._is_silence_told = False

    @property
    def seconds(self) -> float:
        """Seconds since the machine was started."""
        return time.monotonic() - self._started

    def run(self) -> Ending:
        """Follow the machine until it is off; a signal shuts it down.

        Raises KeyboardInterrupt after a second signal, which cuts the power, and EmulatorFailed if QEMU
        fails.
        """
        try:
            while not self._interrupts.is_pending:
                self._probe_services()
                self._interrupts.wait(self._machine.wait, _POLL_INTERVAL)
                event = self._machine.next_event()
                if event is not None:
                    self._handle(event)
        except QmpClosed:
            return Ending.POWERED_OFF
        return self._shut_down()

    def _handle(self, event: QmpEvent) -> None:
        if event.name == "RESET" and event.data.get("guest", True):
            self._booted, self._ssh_ready, self._is_engine_ready = time.monotonic(), None, False
            self._listener.rebooting()
        elif event.name == "BLOCK_IO_ERROR":
            self._listener.disk_failed(str(event.data.get("reason", "an error")))

    def _probe_services(self) -> None:
        if self._ssh_ready is None and (version := self._interrupts.wait(ssh_version, self._ports.ssh)):
            self._ssh_ready = time.monotonic()
            self._listener.ready("ssh", SSH_PORT, version, self._ssh_ready - self._booted)
        if self._is_engine_ready:
            return
        if self._ssh_ready is None:
            self._check_silence()
        elif time.monotonic() - self._ssh_ready > _ENGINE_TIMEOUT:
            return
        for port in ENGINE_PORTS:
            if version := self._interrupts.wait(engine_version, self._ports.host(port)):
                self._is_engine_ready = True
                self._listener.ready("engine", port, version, time.monotonic() - self._booted)
                return

    def _check_silence(self) -> None:
        if not self._is_silence_told and time.monotonic() - self._booted >= _SILENCE:
            self._is_silence_told = True
            self._listener.silent()

    def _shut_down(self) -> Ending:
        try:
            self._listener.shutting_down()
            if self._machine.power_down(SHUTDOWN_TIMEOUT):
                return Ending.SHUT_DOWN
        except KeyboardInterrupt:
            self._machine.kill()
            raise
        self._machine.kill()
        return Ending.POWER_CUT


def forget_emulated_host_keys(ssh_port: int) -> None:
    """Forget the SSH host key of the machine that was emulated last: another device responds there now.

    Nobody can intercept the connection: it goes to QEMU, on a port of this machine.
    """
    from resin_toolkit.ssh.key_proofs import forget_device

    for host in ("localhost", "127.0.0.1"):
        try:
            forget_device(Device(host, (), ssh_port=ssh_port))
        except OSError:
            # If the file cannot be written, no key was stored either, or the login reports the change.
            continue

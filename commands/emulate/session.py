"""A run of `resin emulate`, from the start of the machine to its end: what is told, and how it is ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from resin_toolkit.device.record import ENGINE_PORTS, SSH_PORT, Device
from resin_toolkit.emulation.port_forwarding import Forward
from resin_toolkit.emulation.qmp import QmpClosed, QmpEvent
from resin_toolkit.emulation.readiness import engine_version, ssh_version
from resin_toolkit.emulation.virtual_machine import VirtualMachine
from resin_toolkit.errors import Interrupted, Notice
from resin_toolkit.terminal.report import Report

_PAUSE = 1.0
"""Seconds between two looks at what answers."""
_ENGINE = 120.0
"""Seconds after SSH has answered in which the engine may: a production image's does not listen."""
_POWER_DOWN = 60.0
"""Seconds that the system has to end."""
_SILENT = 180.0
"""Seconds without an answer after which it is worth a remark."""
_HOST = "localhost"


@dataclass(frozen=True)
class Ports:
    """The ports of this machine that lead to the emulated one, and the words that use them."""

    forwards: Sequence[Forward]

    def host(self, guest: int) -> int:
        return next(forward.host for forward in self.forwards if forward.guest == guest)

    @property
    def ssh(self) -> int:
        return self.host(SSH_PORT)

    @property
    def published(self) -> list[Forward]:
        return [forward for forward in self.forwards if forward.guest not in (SSH_PORT, *ENGINE_PORTS)]

    def words(self, verb: str, engine: int | None = None) -> str:
        """What to type for a verb, where the engine listens at that port of the guest."""
        moved = engine is not None and any(
            self.host(p) != p for p in ENGINE_PORTS[: ENGINE_PORTS.index(engine) + 1]
        )
        device = f"{_HOST}:{self.host(engine)}" if moved and engine else _HOST
        return f"resin {verb} {device}" + ("" if self.ssh == SSH_PORT else f" --ssh-port {self.ssh}")


class Session:
    """Tells of a machine that runs, until it is off."""

    def __init__(self, report: Report, running: VirtualMachine, ports: Ports, *, snapshot: bool) -> None:
        self._report = report
        self._snapshot = snapshot
        self._running = running
        self._ports = ports
        self._started = time.monotonic()
        self._began = self._started
        self._ssh: float | None = None
        self._engine = False
        self._is_remarked = False

    @property
    def seconds(self) -> float:
        """For how long it has run."""
        return round(time.monotonic() - self._started, 3)

    def tell(self, title: str, image: str) -> None:
        """What runs, and how it is reached."""
        ports, report = self._ports, self._report
        how = "KVM" if self._running.uses_kvm else "every instruction emulated"
        kept = "nothing of what it writes is kept" if self._snapshot else "what it writes is kept in it"
        report.event(
            "started",
            machine=title,
            kvm=self._running.uses_kvm,
            console=self._running.console,
            ssh_port=ports.ssh,
            engine_ports=[ports.host(port) for port in ENGINE_PORTS],
            published={str(forward.guest): forward.host for forward in ports.published},
        )
        report.line(f"{image} runs in QEMU: {title}, {how}; {kept}.")
        for verb in ("push", "logs", "ssh"):
            report.line(f"  {ports.words(verb, None if verb == 'ssh' else ENGINE_PORTS[0])}")
        report.line(f"  resin console {self._running.console}")
        for forward in ports.published:
            report.line(f"  port {forward.guest}: {_HOST}:{forward.host}")
        report.say("Booting; press Ctrl-C to power it off.")

    def run(self) -> None:
        """Return when it has switched itself off; Ctrl-C switches it off and raises Interrupted."""
        # The first Ctrl-C is answered below; what a second one ends the run with, whenever it comes, is this.
        self._report.if_interrupted = Interrupted(f"The power was cut.{self._lost}")
        try:
            while True:
                self._look()
                event = self._running.next_event(_PAUSE)
                if event is not None:
                    self._note(event)
        except QmpClosed:
            return
        except KeyboardInterrupt:
            self._switch_off()

    def _note(self, event: QmpEvent) -> None:
        if event.name == "RESET" and event.data.get("guest", True):
            self._began, self._ssh, self._engine = time.monotonic(), None, False
            self._report.event("reset")
            self._report.say("The machine is rebooting.")
        elif event.name == "BLOCK_IO_ERROR":
            reason = event.data.get("reason", "an error")
            self._report.warn(
                Notice("disk-error", f"The emulated drive cannot be read or written: {reason}.")
            )

    def _look(self) -> None:
        """Tell of what answers since the last look."""
        if self._ssh is None and (said := ssh_version(self._ports.ssh)):
            self._ssh = time.monotonic()
            self._answers("ssh", SSH_PORT, said, f"SSH is up after {{}}: {self._ports.words('ssh')}")
        self._remark_silence()
        late = self._ssh is not None and time.monotonic() - self._ssh > _ENGINE
        if self._engine or late:
            return
        for port in ENGINE_PORTS:
            if said := engine_version(self._ports.host(port)):
                self._engine = True
                words = self._ports.words("push", port)
                self._answers("engine", port, said, f"The engine is up after {{}}: {words}")
                return

    def _remark_silence(self) -> None:
        if self._is_remarked or self._ssh or self._engine or time.monotonic() - self._began < _SILENT:
            return
        self._is_remarked = True
        self._report.say(
            f"Nothing has responded yet; run `resin console {self._running.console}` to see its output."
        )
        if self._running.uses_kvm:
            self._report.say("If the console stays empty, try --no-kvm.")

    def _answers(self, service: str, guest: int, version: str, line: str) -> None:
        seconds = time.monotonic() - self._began
        port = self._ports.host(guest)
        self._report.event("ready", service=service, port=port, version=version, seconds=round(seconds, 3))
        self._report.line(line.format(f"{seconds:.0f} s"))

    def _switch_off(self) -> None:
        try:
            self._report.event("powering-off")
            self._report.say("Shutting down; press Ctrl-C again to cut the power.")
            is_off = self._running.power_down(_POWER_DOWN)
        except KeyboardInterrupt:
            self._running.kill()
            raise
        if not is_off:
            self._running.kill()
            raise Interrupted(
                f"The machine did not shut down within {_POWER_DOWN:.0f} s: the power was cut.{self._lost}"
            )
        raise Interrupted("The machine was shut down.")

    @property
    def _lost(self) -> str:
        return "" if self._snapshot else " Data not yet written to disk is lost."


def forget_last_guest(ports: Ports) -> None:
    """Forget the SSH host key of what was emulated last: it is another device that answers there now.

    That no one stands in between is certain here, on a port of this machine that is QEMU's.
    """
    from resin_toolkit.ssh.host_keys import forget_key

    for host in (_HOST, "127.0.0.1"):
        try:
            forget_key(Device(host, (), ssh_port=ports.ssh))
        except OSError:
            # Then none can have been pinned either, or the login tells of it.
            continue

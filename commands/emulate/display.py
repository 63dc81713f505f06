"""What `resin emulate` prints about a running machine."""

from __future__ import annotations

from resin_toolkit.device.record import ENGINE_PORTS, SSH_PORT
from resin_toolkit.emulation.port_forwarding import ForwardedPorts
from resin_toolkit.emulation.session import SessionListener
from resin_toolkit.emulation.virtual_machine import VirtualMachine
from resin_toolkit.errors import Notice
from resin_toolkit.terminal.report import Report

_HOST = "localhost"


class SessionDisplay(SessionListener):
    """Prints the events of a session, or JSON events."""

    def __init__(self, report: Report, machine: VirtualMachine, ports: ForwardedPorts) -> None:
        self._report = report
        self._machine = machine
        self._ports = ports

    def started(self, title: str, image: str, *, snapshot: bool) -> None:
        """Print what runs and how to access it."""
        ports, report = self._ports, self._report
        report.event(
            "started",
            machine=title,
            kvm=self._machine.uses_kvm,
            console=self._machine.console,
            ssh_port=ports.ssh,
            engine_ports=[ports.host(port) for port in ENGINE_PORTS],
            published={str(forward.guest): forward.host for forward in ports.published},
        )
        accelerator = "with KVM" if self._machine.uses_kvm else "without KVM"
        writes = "writes are discarded" if snapshot else "writes go to the image"
        report.line(f"{image} runs in QEMU on {title}, {accelerator}; {writes}.")
        for command in ("push", "logs", "ssh"):
            report.line(f"  {self._command(command, None if command == 'ssh' else ENGINE_PORTS[0])}")
        report.line(f"  resin console {self._machine.console}")
        for forward in ports.published:
            report.line(f"  port {forward.guest}: {_HOST}:{forward.host}")
        report.say("Booting; press Ctrl-C to power it off.")

    def ready(self, service: str, guest_port: int, version: str, seconds: float) -> None:
        port = self._ports.host(guest_port)
        self._report.event("ready", service=service, port=port, version=version, seconds=round(seconds, 3))
        name, command = (
            ("SSH", self._command("ssh"))
            if guest_port == SSH_PORT
            else ("The engine", self._command("push", guest_port))
        )
        self._report.line(f"{name} is up after {seconds:.0f} s: {command}")

    def silent(self) -> None:
        self._report.say(
            f"Nothing has responded yet; run `resin console {self._machine.console}` to see its output."
        )
        if self._machine.uses_kvm:
            self._report.say("If the console stays empty, try --no-kvm.")

    def rebooting(self) -> None:
        self._report.event("reset")
        self._report.say("The machine is rebooting.")

    def disk_failed(self, reason: str) -> None:
        self._report.warn(Notice("disk-error", f"The emulated drive cannot be read or written: {reason}."))

    def shutting_down(self) -> None:
        self._report.event("powering-off")
        self._report.say("Shutting down; press Ctrl-C again to cut the power.")

    def _command(self, command: str, engine: int | None = None) -> str:
        """A command line that reaches the machine, whose engine listens at that port of the guest."""
        ports = self._ports
        moved = engine is not None and any(
            ports.host(port) != port for port in ENGINE_PORTS[: ENGINE_PORTS.index(engine) + 1]
        )
        device = f"{_HOST}:{ports.host(engine)}" if moved and engine else _HOST
        return f"resin {command} {device}" + ("" if ports.ssh == SSH_PORT else f" --ssh-port {ports.ssh}")

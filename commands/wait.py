"""`resin wait`: wait until a device responds, for scripts after a flash or a reboot."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from commands.common.device import DeviceOptions, RequiredDeviceArgument
from commands.common.device_table import device_facts_data, format_engine, problem_notices
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.device.address import Address, parse_address
from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.device.record import Device
from resin_toolkit.errors import DeviceNotFound, ResinError, Unreachable
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen

EXAMPLES = """\b
Examples:
  resin wait kitchen
  resin wait 192.168.1.7 --timeout 300
"""
_PAUSE = 1.0
"""Seconds between two looks."""
_REMARKED_EVERY = 10.0
_LEAST = 0.1
"""Seconds that a step of the last look may take, however late it is."""


@dataclass(frozen=True)
class Waited:
    """The device that is there, and after how many seconds."""

    device: Device
    facts: DeviceFacts
    seconds: float

    def data(self) -> Mapping[str, object]:
        return {
            "host": self.device.host,
            "addresses": list(self.device.addresses),
            "ssh_port": self.device.ssh_port,
            "seconds": round(self.seconds, 3),
            **device_facts_data(self.facts),
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        facts = self.facts
        engine = format_engine(facts)
        known = (
            f"{facts.os_name} {facts.os_version}".strip(),
            facts.device_type,
            facts.variant.value if facts.variant else "",
            f"SSH ({facts.ssh}) on {self.device.ssh_port}" if facts.ssh else "",
            f"engine {engine}" if engine else "",
        )
        at = next(iter(self.device.addresses), self.device.host)
        return f"{self.device.name} is up at {at}: {', '.join(word for word in known if word)}"


@with_options(DeviceOptions)
def wait(
    context: typer.Context,
    device: RequiredDeviceArgument,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Give up after this time.")
    ] = 120.0,
    options: DeviceOptions = DeviceOptions(),
) -> Waited:
    """Wait until a device's SSH server or engine responds."""
    return _waited(report_of(context), parse_address(device), options, timeout)


app = single_command(wait, epilog=EXAMPLES)


def _waited(report: Report, address: Address, options: DeviceOptions, timeout: float) -> Waited:
    from resin_toolkit.device.cache import cache_device

    started = time.monotonic()
    remarked = started
    while True:
        try:
            device, facts = _look(address, options, started + timeout)
        except (DeviceNotFound, Unreachable) as error:
            cause: ResinError = error
        else:
            if facts.identity:
                remembered = cache_device(
                    device.host,
                    device.addresses,
                    engine_id=facts.engine_id or None,
                    host_key=facts.host_key,
                )
                report.warn(*remembered)
            report.warn(*problem_notices(facts))
            return Waited(device, facts, time.monotonic() - started)
        now = time.monotonic()
        if now + _PAUSE >= started + timeout:
            raise Unreachable(
                f"{address.host} did not respond within {timeout:g} s: {cause.message}",
                hint=cause.hint,
                cause=str(cause.facts.get("cause", "not-found")),
            ) from cause
        if remarked == started or now - remarked >= _REMARKED_EVERY:
            remarked = now
            report.say(f"{now - started:.0f} s: {cause.message}")
        time.sleep(_PAUSE)


def _look(address: Address, options: DeviceOptions, deadline: float) -> tuple[Device, DeviceFacts]:
    """What is there now. Raises DeviceNotFound and Unreachable, once the deadline is over at the latest."""
    from resin_toolkit.reach.device_info import probe
    from resin_toolkit.reach.resolver import resolve_device
    from resin_toolkit.tcp import connect_any, endpoints

    within = max(_LEAST, min(2.5, deadline - time.monotonic()))
    device = resolve_device(address, ssh_port=options.ssh_port, within=within)
    ports = (device.ssh_port, *device.engine_ports)
    connection, _ = connect_any(device.host, endpoints(device.addresses, ports), within=within)
    connection.close()
    facts = probe(device, deadline=max(deadline, time.monotonic() + _LEAST))
    if not facts.answers:
        raise Unreachable(
            f"{device.host} accepts connections, but neither SSH nor the engine responds.",
            hint="It may still be booting.",
            cause="no-answer",
        )
    return device, facts

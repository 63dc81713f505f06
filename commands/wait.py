"""`resin wait`: wait until a device responds, for scripts after a flash or a reboot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.device import DeviceOptions, RequiredDeviceArgument
from commands.common.device_table import device_facts_data, format_engine
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.device.address import parse_address
from resin_toolkit.errors import ResinError
from resin_toolkit.terminal.screen import Screen

if TYPE_CHECKING:
    from resin_toolkit.reach.readiness import ReadyDevice

EXAMPLES = """\b
Examples:
  resin wait kitchen
  resin wait 192.168.1.7 --timeout 300
"""
_REPORT_INTERVAL = 10.0
"""Seconds between two reports of failed attempts."""


@dataclass(frozen=True)
class Waited:
    """The device that responds."""

    ready: ReadyDevice

    def data(self) -> Mapping[str, object]:
        return {
            "host": self.ready.device.host,
            "addresses": list(self.ready.device.addresses),
            "ssh_port": self.ready.device.ssh_port,
            "seconds": round(self.ready.seconds, 3),
            **device_facts_data(self.ready.facts),
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        facts = self.ready.facts
        engine = format_engine(facts)
        parts = (
            f"{facts.os_name} {facts.os_version}".strip(),
            facts.device_type,
            facts.variant.value if facts.variant else "",
            f"SSH ({facts.ssh}) on {self.ready.device.ssh_port}" if facts.ssh else "",
            f"engine {engine}" if engine else "",
        )
        at = next(iter(self.ready.device.addresses), self.ready.device.host)
        return f"{self.ready.device.name} is up at {at}: {', '.join(part for part in parts if part)}"


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
    from resin_toolkit.device.facts import problem_notices
    from resin_toolkit.engine.connection import note_contact
    from resin_toolkit.reach.readiness import wait_until_ready

    report = report_of(context)
    reported_at: list[float] = []

    def on_failure(seconds: float, error: ResinError) -> None:
        if not reported_at or seconds - reported_at[-1] >= _REPORT_INTERVAL:
            reported_at.append(seconds)
            report.say(f"{seconds:.0f} s: {error.message}")

    ready = wait_until_ready(
        parse_address(device),
        within=timeout,
        ssh_port=options.ssh_port,
        host_key=options.required_key,
        on_failure=on_failure,
    )
    address = next(iter(ready.device.addresses), "")
    report.warn(*note_contact(ready.device, address, ready.facts.engine_id), *problem_notices(ready.facts))
    return Waited(ready)


app = single_command(wait, epilog=EXAMPLES)

"""`resin reboot`: reboot a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from commands.common.device import DeviceOptions, RequiredDeviceArgument, find_device
from commands.common.secrets import password_prompt
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.terminal.screen import Screen

EXAMPLES = """\b
Examples:
  resin reboot kitchen
  resin reboot kitchen --yes --wait
"""


@dataclass(frozen=True)
class RebootResult:
    """A device that has gone down; `back` if the command waited until it was up again."""

    device: str
    back: bool

    def data(self) -> Mapping[str, object]:
        return {"device": self.device, "back": self.back}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return f"{self.device} is up again." if self.back else f"{self.device} is rebooting."


def reboot(
    context: typer.Context,
    device: RequiredDeviceArgument,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the device and its engine are up again.")
    ] = False,
    *,
    options: DeviceOptions,
) -> RebootResult:
    """Reboot a device, after confirmation."""
    from resin_toolkit.reach.reboot import has_engine, reboot_device, wait_for_engine, wait_for_reboot
    from resin_toolkit.ssh import connect

    report = report_of(context)
    found = find_device(report, device, options)
    report.confirm(f"Reboot {found.name}? Its containers are stopped.")
    with connect(found, ask=password_prompt(report), tell=report.say) as shell:
        with_engine = wait and has_engine(shell)
        boot = reboot_device(shell)
    if wait:
        report.say(f"{found.name} has gone down.")
        wait_for_reboot(found, boot, password_prompt(report))
        if with_engine:
            report.say(f"{found.name} is up again; waiting for its engine.")
            wait_for_engine(found, password_prompt(report))
    return RebootResult(found.name, wait)


app = single_command(with_options(DeviceOptions)(reboot), epilog=EXAMPLES)

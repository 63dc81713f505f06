"""`resin reboot`: start a device anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from commands.common.device import DeviceOptions, RequiredDeviceArgument, find_device
from commands.common.secrets import password_prompt
from resin_toolkit.cli.verb import report_of, single_command, with_options
from resin_toolkit.terminal.screen import Screen

EXAMPLES = """\b
Examples:
  resin reboot kitchen
  resin reboot kitchen --yes --wait
"""


@dataclass(frozen=True)
class Rebooted:
    """A device that went down; `back` if it was waited for."""

    device: str
    back: bool

    def data(self) -> Mapping[str, object]:
        return {"device": self.device, "back": self.back}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return f"{self.device} is back." if self.back else f"{self.device} has gone down and starts anew."


def reboot(
    context: typer.Context,
    device: RequiredDeviceArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is back, and its engine too.")] = False,
    *,
    options: DeviceOptions,
) -> Rebooted:
    """Start a device anew, after a confirmation; what runs on it is stopped."""
    from resin_toolkit.reach.reboot import has_engine, restart, wait_for_engine, wait_until_back
    from resin_toolkit.ssh import connect

    report = report_of(context)
    found = find_device(report, device, options)
    report.confirm(f"Reboot {found.name}? What runs on it is stopped.")
    with connect(found, ask=password_prompt(report), tell=report.say) as shell:
        with_engine = wait and has_engine(shell)
        boot = restart(shell)
    if wait:
        report.say(f"{found.name} has gone down.")
        wait_until_back(found, boot, password_prompt(report))
        if with_engine:
            report.say(f"{found.name} is back; its engine starts.")
            wait_for_engine(found, password_prompt(report))
    return Rebooted(found.name, wait)


app = single_command(with_options(DeviceOptions)(reboot), epilog=EXAMPLES)

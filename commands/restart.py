"""`resin restart`: restart an application on a device."""

from __future__ import annotations

import typer

from commands.common.app import AppActionResult, NameOption, NamesArgument, selected_containers
from commands.common.device import DeviceArgument, DeviceOptions
from resin_toolkit.cli.command import single_command, with_options

EXAMPLES = """\b
Examples:
  resin restart
  resin restart kitchen
  resin restart kitchen web
"""


def restart(
    context: typer.Context,
    device: DeviceArgument = None,
    names: NamesArgument = None,
    name: NameOption = None,
    *,
    options: DeviceOptions,
) -> AppActionResult:
    """Restart an application on a device, or start it again after `resin stop`."""
    from resin_toolkit.push.apply import container_control

    with selected_containers(context, device, names, name, options) as selected:
        return selected.apply("restarting", container_control.restart, "restarted", "")


app = single_command(with_options(DeviceOptions)(restart), epilog=EXAMPLES)

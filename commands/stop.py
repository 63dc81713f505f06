"""`resin stop`: stop an application on a device."""

from __future__ import annotations

import typer

from commands.common.app import AppActionResult, NameOption, NamesArgument, selected_containers
from commands.common.device import DeviceArgument, DeviceOptions
from resin_toolkit.cli.command import single_command, with_options

EXAMPLES = """\b
Examples:
  resin stop
  resin stop kitchen
  resin stop kitchen web worker
"""


def stop(
    context: typer.Context,
    device: DeviceArgument = None,
    names: NamesArgument = None,
    name: NameOption = None,
    *,
    options: DeviceOptions,
) -> AppActionResult:
    """Stop an application on a device. It stays stopped across reboots until you restart it."""
    from resin_toolkit.push.apply import container_control

    with selected_containers(context, device, names, name, options) as selected:
        return selected.apply(
            "stopping", container_control.stop, "stopped", "Start it again with `resin restart`."
        )


app = single_command(with_options(DeviceOptions)(stop), epilog=EXAMPLES)

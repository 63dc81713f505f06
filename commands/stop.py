"""`resin stop`: end what push has started."""

from __future__ import annotations

import typer

from commands.common.app import AppActionResult, NameOption, NamesArgument, chosen
from commands.common.device import DeviceArgument, DeviceOptions
from resin_toolkit.cli.verb import single_command, with_options

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
    """Stop what push has started on a device, by its own stop signal; it stays stopped over a reboot."""
    from resin_toolkit.push.apply import container_control

    with chosen(context, device, names, name, options) as these:
        for container in these.each("stopping"):
            container_control.stop(these.engine, container)
        return these.acted("stopped", "`resin restart` starts it again.")


app = single_command(with_options(DeviceOptions)(stop), epilog=EXAMPLES)

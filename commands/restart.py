"""`resin restart`: start anew what push has started."""

from __future__ import annotations

import typer

from commands.common.app import AppActionResult, NameOption, NamesArgument, chosen
from commands.common.device import DeviceArgument, DeviceOptions
from resin_toolkit.cli.verb import single_command, with_options

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
    """Stop what push has started on a device, where it runs, and start it again."""
    from resin_toolkit.push.apply import container_control

    with chosen(context, device, names, name, options) as these:
        for container in these.each("restarting"):
            container_control.restart(these.engine, container)
        return these.acted("restarted")


app = single_command(with_options(DeviceOptions)(restart), epilog=EXAMPLES)

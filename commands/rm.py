"""`resin rm`: remove what push has brought to a device."""

from __future__ import annotations

import typer

from commands.common.app import AppActionResult, NameOption, NamesArgument, built_here, chosen
from commands.common.device import DeviceArgument, DeviceOptions
from resin_toolkit.cli.verb import single_command, with_options

EXAMPLES = """\b
Examples:
  resin rm kitchen
  resin rm kitchen web
  resin rm kitchen --name old-app --yes
"""


def rm(
    context: typer.Context,
    device: DeviceArgument = None,
    names: NamesArgument = None,
    name: NameOption = None,
    *,
    options: DeviceOptions,
) -> AppActionResult:
    """Remove the containers, images and networks that push has brought to a device; data and volumes stay."""
    from resin_toolkit.push.apply import container_control

    with chosen(context, device, names, name, options) as these:
        question = f"Remove {', '.join(these.services)} of {these.app} from {these.engine.host}?"
        these.report.confirm(question)
        for container in these.each("removing"):
            container_control.remove(these.engine, container)
        if not names:
            container_control.remove_networks_and_images(these.engine, these.app, built_here(these.app))
        return these.acted("removed", "Volumes, and what lies in /data, stay.")


app = single_command(with_options(DeviceOptions)(rm), epilog=EXAMPLES)

"""`resin rm`: remove an application from a device."""

from __future__ import annotations

from pathlib import Path

import typer

from commands.common.app import AppActionResult, NameOption, NamesArgument, selected_containers
from commands.common.device import DeviceArgument, DeviceOptions
from resin_toolkit.cli.command import single_command, with_options

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
    """Remove an application from a device: its containers, images and networks. Volumes are kept."""
    from resin_toolkit.push.apply import container_control

    with selected_containers(context, device, names, name, options) as selected:
        engine, app = selected.engine, selected.app
        selected.report.confirm(f"Remove {', '.join(selected.services)} of {app} from {engine.host}?")
        result = selected.apply(
            "removing", container_control.remove, "removed", "Volumes and the data in /data are kept."
        )
        if not names:
            container_control.remove_networks_and_images(
                engine, app, container_control.built_images(app, Path.cwd())
            )
        return result


app = single_command(with_options(DeviceOptions)(rm), epilog=EXAMPLES)

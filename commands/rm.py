"""`resin rm`: remove what push has brought to a device."""

from __future__ import annotations

import typer

from commands._app import Acted, NameOption, NamesArgument, app_of, built_here, services_of
from commands._device import DeviceOptions, DeviceWord, find_device
from resin_toolkit.verb import report_of, single, takes

EXAMPLES = """\b
Examples:
  resin rm kitchen
  resin rm kitchen web
  resin rm kitchen --name old-app --yes
"""


def rm(
    context: typer.Context,
    device: DeviceWord = None,
    names: NamesArgument = None,
    name: NameOption = None,
    *,
    options: DeviceOptions,
) -> Acted:
    """Remove the containers, images and networks that push has brought to a device; data and volumes stay."""
    from commands._engine import open_engine
    from resin_toolkit.push import controlling

    report = report_of(context)
    with open_engine(report, find_device(report, device, options)) as engine:
        app = app_of(engine, name)
        chosen = controlling.choose(engine, app, names or ())
        services = services_of(chosen)
        report.confirm(f"Remove {', '.join(services)} of {app} from {engine.host}?")
        for container in chosen:
            controlling.remove(engine, container)
        if not names:
            controlling.remove_rest(engine, app, built_here(app))
        return Acted(engine.host, app, services, "removed", "Volumes, and what lies in /data, stay.")


app = single(takes(DeviceOptions)(rm), epilog=EXAMPLES)

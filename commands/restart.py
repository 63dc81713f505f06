"""`resin restart`: start anew what push has started."""

from __future__ import annotations

import typer

from commands._app import Acted, NameOption, NamesArgument, app_of, services_of
from commands._device import DeviceOptions, DeviceWord, find_device
from resin_toolkit.verb import report_of, single, takes

EXAMPLES = """\b
Examples:
  resin restart
  resin restart kitchen
  resin restart kitchen web
"""


def restart(
    context: typer.Context,
    device: DeviceWord = None,
    names: NamesArgument = None,
    name: NameOption = None,
    *,
    options: DeviceOptions,
) -> Acted:
    """Stop what push has started on a device, where it runs, and start it again."""
    from commands._engine import open_engine
    from resin_toolkit.push import controlling

    report = report_of(context)
    with open_engine(report, find_device(report, device, options)) as engine:
        app = app_of(engine, name)
        chosen = controlling.choose(engine, app, names or ())
        for container in chosen:
            controlling.restart(engine, container)
        return Acted(engine.host, app, services_of(chosen), "restarted")


app = single(takes(DeviceOptions)(restart), epilog=EXAMPLES)

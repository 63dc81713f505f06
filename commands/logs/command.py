"""`resin logs`: what the containers of a device have to say, and its system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from commands.common.completions import services
from commands.common.device import DeviceArgument, DeviceOptions, find_device
from resin_toolkit.cli.verb import report_of, single_command, with_options
from resin_toolkit.terminal.screen import Screen

EXAMPLES = """\b
Examples:
  resin logs kitchen
  resin logs kitchen -f
  resin logs kitchen --service web --tail 100 -f
  resin logs kitchen --since 10m --grep 'error|warning'
  resin logs kitchen --system -f
  resin logs kitchen -f --json
"""


@dataclass(frozen=True)
class Logged:
    """How much was shown."""

    host: str
    lines: int
    containers: tuple[str, ...]

    def data(self) -> Mapping[str, object]:
        return {"device": self.host, "lines": self.lines, "containers": list(self.containers)}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return ""


def logs(
    context: typer.Context,
    device: DeviceArgument = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    tail: Annotated[
        int | None,
        typer.Option("--tail", "-n", min=0, metavar="N", help="Only the last N lines of each container."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="From then on: 10m, 2h, 10:00, 2026-11-24T10:00:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Up to then; as --since.")] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only of this service; can be repeated.", autocompletion=services),
    ] = None,
    system: Annotated[
        bool, typer.Option("--system", help="The journal of the device's system; with --service, both.")
    ] = False,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", "-t", help="The time in front of each line.")
    ] = False,
    grep: Annotated[
        str | None, typer.Option(metavar="RE", help="Only lines in which this regular expression is found.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they are.")] = False,
    *,
    options: DeviceOptions,
) -> Logged:
    """Show what the containers of a device have written; with -f also what they go on to write.

    A cut link, a restart of the engine or of the device, and a change of its address are waited out; no line
    that the device still has is left out, and none is shown twice.
    """
    from commands.logs.session import LogOptions, check_options, run

    report = report_of(context)
    chosen = LogOptions(follow, tail, since, until, tuple(service or ()), system, timestamps, grep, raw)
    check_options(chosen)
    found = find_device(report, device, options)
    lines, names = run(report, found, chosen)
    return Logged(found.host, lines, names)


app = single_command(with_options(DeviceOptions)(logs), epilog=EXAMPLES)

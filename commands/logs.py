"""`resin logs`: show the logs of a device's containers, or its system journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from commands.common.completions import services
from commands.common.device import DeviceArgument, DeviceOptions, find_device
from resin_toolkit.cli.command import report_of, single_command, with_options
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
class LogSummary:
    """How many lines were shown, and of which containers."""

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
        bool, typer.Option("--follow", "-f", help="Follow the log output until Ctrl-C.")
    ] = False,
    tail: Annotated[
        int | None,
        typer.Option("--tail", "-n", min=0, metavar="N", help="Show the last N lines of each container."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Show lines since TIME: 10m, 2h, 10:00, 2026-11-24T10:00:00Z."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Show lines before TIME.")] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Show only this service (repeatable).", autocompletion=services),
    ] = None,
    system: Annotated[
        bool, typer.Option("--system", help="Show the device's system journal; with --service, both.")
    ] = False,
    timestamps: Annotated[bool, typer.Option("--timestamps", "-t", help="Show timestamps.")] = False,
    grep: Annotated[
        str | None, typer.Option(metavar="RE", help="Show only lines that match this regular expression.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Keep control characters in the output.")] = False,
    *,
    options: DeviceOptions,
) -> LogSummary:
    """Show the logs of a device's containers, or its system journal.

    Reconnects when the connection is lost, the engine or the device restarts, or its address changes,
    without dropping or repeating lines.
    """
    from resin_toolkit.logs.session import LogOptions, check_options, show_logs

    report = report_of(context)
    chosen = LogOptions(follow, tail, since, until, tuple(service or ()), system, timestamps, grep, raw)
    check_options(chosen)
    found = find_device(report, device, options)
    lines, names = show_logs(report, found, chosen)
    return LogSummary(found.host, lines, names)


app = single_command(with_options(DeviceOptions)(logs), epilog=EXAMPLES)

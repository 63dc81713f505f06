"""`resin console`: the console of a device, over a serial line."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from commands.common.completions import files
from resin_toolkit.cli.verb import report_of, single_command
from resin_toolkit.errors import Exit, Interrupted

EXAMPLES = """\b
Examples:
  resin console /dev/ttyUSB0
  resin console /dev/ttyACM0 --baud 921600
"""
BAUD = 115200


def console(
    context: typer.Context,
    port: Annotated[
        str,
        typer.Argument(
            metavar="PORT",
            help="A serial port, or an emulated one.",
            show_default=False,
            autocompletion=files,
        ),
    ],
    baud: Annotated[int, typer.Option(metavar="N", min=1, help="The speed of the line.")] = BAUD,
) -> int:
    """Show the console of a device and type into it. `~.` at the start of a line leaves it."""
    from resin_toolkit.reach.serial_line import open_serial_line
    from resin_toolkit.terminal.attachment import attach

    report = report_of(context)
    report.if_interrupted = Interrupted("Left; the device's console goes on.")
    line = open_serial_line(port, baud)
    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    if is_terminal:
        report.say(f"{port}, {baud} baud. Leave it by ~. at the start of a line.")
    try:
        attach(line, raw=is_terminal)
    finally:
        line.release()
    return Exit.DONE


app = single_command(console, epilog=EXAMPLES)

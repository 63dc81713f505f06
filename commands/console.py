"""`resin console`: connect to a device's serial console."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from commands.common.completions import files
from resin_toolkit.cli.command import report_of, single_command
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
            help="A serial port, or the console socket of an emulated device.",
            show_default=False,
            autocompletion=files,
        ),
    ],
    baud: Annotated[int, typer.Option(metavar="N", min=1, help="Baud rate.")] = BAUD,
) -> int:
    """Connect to a device's serial console. Type `~.` at the start of a line to disconnect."""
    from resin_toolkit.reach.serial_line import open_serial_line
    from resin_toolkit.terminal.attachment import attach

    report = report_of(context)
    report.if_interrupted = Interrupted("Disconnected; the device keeps running.")
    line = open_serial_line(port, baud)
    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    if is_terminal:
        report.say(f"Connected to {port} at {baud} baud. Type ~. at the start of a line to disconnect.")
    try:
        attach(line, raw=is_terminal)
    finally:
        line.release()
    return Exit.DONE


app = single_command(console, epilog=EXAMPLES)

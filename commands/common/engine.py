"""The engine of the device that a verb is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resin_toolkit.device.record import Device
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from resin_toolkit.engine import Engine


def open_engine(report: Report, device: Device) -> Engine:
    """The engine of `device`, connected; the user is asked where its SSH server wants to know something.

    Raises what `engine.connect` raises.
    """
    from resin_toolkit.engine import connect

    ask = report.ask_secret if report.interactive else None
    return connect(device, ask=ask, warn=report.warn, tell=report.say)

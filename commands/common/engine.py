"""The engine of the device that a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.common.secrets import password_prompt
from resin_toolkit.device.record import Device
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from resin_toolkit.engine import Engine


def open_engine(report: Report, device: Device) -> Engine:
    """Connect to the engine of `device`; the user is prompted if its SSH server requires a secret.

    Raises what `engine.connect` raises.
    """
    from resin_toolkit.engine import connect

    return connect(device, ask=password_prompt(report), warn=report.warn, tell=report.say)

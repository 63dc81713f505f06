"""The DEVICE argument, the options of commands that take it, and the default device."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import devices
from commands.common.secrets import password_prompt
from resin_toolkit.device.record import Device
from resin_toolkit.errors import BadValue, DeviceAmbiguous, DeviceNotFound, Unreachable
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from resin_toolkit.engine import Engine

_HELP = "Name or address of the device (default: the project's, or the only one found)."
DeviceArgument = Annotated[
    str | None,
    typer.Argument(metavar="[DEVICE]", help=_HELP, show_default=False, autocompletion=devices),
]
RequiredDeviceArgument = Annotated[
    str,
    typer.Argument(
        metavar="DEVICE",
        help="Name or address of the device.",
        show_default=False,
        autocompletion=devices,
    ),
]
VARIABLE = "RESIN_DEVICE"


@dataclass(frozen=True)
class DeviceOptions:
    """For `command.with_options`: the options of every command that takes a DEVICE."""

    ssh_port: Annotated[
        int | None,
        typer.Option(
            "--ssh-port",
            metavar="PORT",
            min=1,
            max=65535,
            help="Port of the device's SSH server (default: 22222).",
        ),
    ] = None


def find_device(report: Report, name: str | None, options: DeviceOptions) -> Device:
    """Find the device of a command.

    It is `name`, else RESIN_DEVICE, else the project's last device if it responds, else the only device on
    the network, else the one that the user chooses. An empty `name` is an error: it comes from an unset
    variable, and the only device on the network may be the wrong one. Raises BadValue, DeviceNotFound, and
    DeviceAmbiguous if there are several and no prompt is possible.
    """
    if name is not None:
        return _resolve(name, options)
    default = os.environ.get(VARIABLE)
    if default:
        try:
            return _resolve(default, options)
        except BadValue as error:
            raise BadValue(f"{VARIABLE}: {error.message}", hint=error.hint) from error
    return _project_device(report, options) or _device_on_network(report, options)


def _resolve(name: str, options: DeviceOptions) -> Device:
    from resin_toolkit.device.address import parse_address
    from resin_toolkit.reach.resolver import resolve_device

    return resolve_device(parse_address(name), ssh_port=options.ssh_port)


def _project_device(report: Report, options: DeviceOptions) -> Device | None:
    """The device that the project in the current directory was last deployed to, if it responds."""
    from resin_toolkit.project.project_state import find_project_state
    from resin_toolkit.reach.readiness import check_reachable

    state = find_project_state(Path.cwd())
    if state is None or not state.device:
        return None
    try:
        device = _resolve(state.device, options)
        check_reachable(device)
    except (BadValue, DeviceAmbiguous, DeviceNotFound, Unreachable) as error:
        report.say(f"Ignoring the project's last device: {error.message}")
        return None
    report.say(f"Using the project's device, {device.name}.")
    return device


def open_engine(report: Report, device: Device) -> Engine:
    """Connect to the engine of `device`; prompt for what SSH asks. Raises as `engine.connect`."""
    from resin_toolkit.engine import connect

    return connect(device, ask=password_prompt(report), warn=report.warn, tell=report.say)


def _device_on_network(report: Report, options: DeviceOptions) -> Device:
    """The only device that announces itself, or the one that the user chooses of several."""
    from resin_toolkit.reach.inventory import discover_devices

    report.say("No device given: searching the network.")
    devices = discover_devices(ssh_port=options.ssh_port)
    if len(devices) == 1:
        return devices[0]
    if not report.interactive:
        named = ", ".join(f"{device.name} ({next(iter(device.addresses), '')})" for device in devices)
        raise DeviceAmbiguous(
            f"{len(devices)} devices are on the network: {named}.",
            hint=f"Pass the name or address of one, or set {VARIABLE}.",
        )
    choices = [(device, f"{device.name}  {next(iter(device.addresses), '')}") for device in devices]
    return report.choose("Which device?", lambda: choices)

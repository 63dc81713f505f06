"""The DEVICE argument, the options of commands that take it, and the default device."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import devices
from commands.common.secrets import password_prompt
from resin_toolkit.device.record import Device
from resin_toolkit.errors import BadValue, Declined, DeviceAmbiguous, DeviceNotFound, Unreachable
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
HOST_KEY_VARIABLE = "RESIN_HOST_KEY"
_PROOF_TIMEOUT = 5.0
"""Seconds for the devices on the network to prove their host keys."""


@dataclass(frozen=True)
class SshPortOption:
    """For `command.with_options`: the option of a command that searches for devices."""

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


@dataclass(frozen=True)
class DeviceOptions(SshPortOption):
    """The options of every command that takes a DEVICE."""

    host_key: Annotated[
        str | None,
        typer.Option(
            "--host-key",
            metavar="FINGERPRINT",
            help="Accept only this SSH host key (or set RESIN_HOST_KEY).",
            show_default=False,
        ),
    ] = None

    @property
    def required_key(self) -> str:
        """The fingerprint of --host-key, else of RESIN_HOST_KEY; empty without any. Raises BadValue."""
        from resin_toolkit.ssh.host_keys import parse_fingerprint

        if self.host_key is not None:
            return parse_fingerprint(self.host_key)
        variable = os.environ.get(HOST_KEY_VARIABLE)
        if not variable:
            return ""
        try:
            return parse_fingerprint(variable)
        except BadValue as error:
            raise BadValue(f"{HOST_KEY_VARIABLE}: {error.message}", hint=error.hint) from error


def find_device(
    report: Report,
    name: str | None,
    options: DeviceOptions,
    *,
    forget: Callable[[Device], object] | None = None,
) -> Device:
    """Find the device of a command.

    It is `name`, else RESIN_DEVICE, else the project's last device if it responds, else the only device on
    the network, else the one that the user chooses. An empty `name` is an error: it comes from an unset
    variable, and the only device on the network may be the wrong one. `forget` is called with each name that
    something may be remembered by, before that is compared with what answers.

    Raises BadValue, DeviceNotFound, HostKeyChanged, DeviceAmbiguous if there are several devices and no
    prompt is possible, and Declined if the only one has not been used before and the user does not agree.
    """
    if name is not None:
        return _resolve(name, options, forget)
    default = os.environ.get(VARIABLE)
    if default:
        try:
            return _resolve(default, options, forget)
        except BadValue as error:
            raise BadValue(f"{VARIABLE}: {error.message}", hint=error.hint) from error
    found = _project_device(report, options, forget) or _device_on_network(report, options)
    if forget:
        forget(found)
    return found


def _resolve(name: str, options: DeviceOptions, forget: Callable[[Device], object] | None) -> Device:
    from resin_toolkit.device.address import parse_address
    from resin_toolkit.reach.resolver import resolve_device, stored_names

    address, required = parse_address(name), options.required_key
    if forget:
        for stored in stored_names(address, options.ssh_port):
            forget(stored)
    return resolve_device(address, ssh_port=options.ssh_port, host_key=required)


def _project_device(
    report: Report, options: DeviceOptions, forget: Callable[[Device], object] | None
) -> Device | None:
    """The device that the project in the current directory was last deployed to, if it responds."""
    from resin_toolkit.project.project_state import find_project_state
    from resin_toolkit.reach.readiness import check_reachable

    state = find_project_state(Path.cwd())
    if state is None or not state.device:
        return None
    try:
        device = _resolve(state.device, options, forget)
        check_reachable(device)
    except (BadValue, DeviceAmbiguous, DeviceNotFound, Unreachable) as error:
        report.say(f"Ignoring the project's last device: {error.message}")
        return None
    report.say(f"Using the project's device, {device.name}.")
    return device


def open_engine(report: Report, device: Device) -> Engine:
    """Connect to the engine of `device`; prompt for what SSH asks. Raises as `engine.connect`."""
    from resin_toolkit.engine import connect

    return connect(
        device,
        ask=password_prompt(report),
        warn=report.warn,
        tell=report.say,
        agree=report.agrees if report.interactive else None,
    )


def _device_on_network(report: Report, options: DeviceOptions) -> Device:
    """The only device that announces itself, or the one that the user chooses of several."""
    from resin_toolkit.reach.identity import proving_devices
    from resin_toolkit.reach.inventory import discover_devices, used_before

    required = options.required_key
    report.say("No device given: searching the network.")
    devices = [replace(device, host_key=required) for device in discover_devices(ssh_port=options.ssh_port)]
    if required and len(devices) > 1:
        devices = proving_devices(devices, within=_PROOF_TIMEOUT) or devices
    if len(devices) == 1:
        known = used_before(devices[0])
        if known is None:
            _confirm_device(report, devices[0])
        return known or devices[0]
    if not report.interactive:
        named = ", ".join(f"{device.name} ({next(iter(device.addresses), '')})" for device in devices)
        raise DeviceAmbiguous(
            f"{len(devices)} devices are on the network: {named}.",
            hint=f"Pass the name or address of one, or set {VARIABLE}.",
        )
    choices = [(device, f"{device.name}  {next(iter(device.addresses), '')}") for device in devices]
    return report.choose("Which device?", lambda: choices)


def _confirm_device(report: Report, device: Device) -> None:
    """Ask once whether to use a device that nobody named: anybody can announce one. --yes does not answer."""
    where = next(iter(device.addresses), "")
    shown = device.name if device.name == where else f"{device.name} ({where})"
    named = f"Pass its name, as in `resin {report.command} {device.name}`, or set {VARIABLE}."
    if not report.interactive:
        raise Declined(f"The only device on the network, {shown}, has not been used before.", hint=named)
    if not report.agrees(f"Use {shown}?"):
        raise Declined("Declined; nothing was sent.", hint=named)

"""Which device a command is about: the DEVICE argument, the shared options, and the default device."""

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

WORD_HELP = "Name or address of the device (default: the project's, or the only one found)."
DeviceArgument = Annotated[
    str | None,
    typer.Argument(metavar="[DEVICE]", help=WORD_HELP, show_default=False, autocompletion=devices),
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
    """For `verb.with_options`: the options of every command that takes a DEVICE."""

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


def find_device(report: Report, word: str | None, options: DeviceOptions) -> Device:
    """Find the device: `word`, else RESIN_DEVICE, else the project's if it answers, else the only one on the
    network, else one that the user picks.

    An empty `word` is an error: it comes from a variable that is not set, and the only device on the network
    may be the wrong one. Raises BadValue, DeviceNotFound, and DeviceAmbiguous if there are several and no
    prompt is possible.
    """
    if word is not None:
        return _located(word, options)
    default = os.environ.get(VARIABLE)
    if default:
        try:
            return _located(default, options)
        except BadValue as error:
            raise BadValue(f"{VARIABLE}: {error.message}", hint=error.hint) from error
    return _of_project(report, options) or _on_network(report, options)


def _located(word: str, options: DeviceOptions) -> Device:
    from resin_toolkit.device.address import parse_address
    from resin_toolkit.reach.resolver import resolve_device

    return resolve_device(parse_address(word), ssh_port=options.ssh_port)


def _of_project(report: Report, options: DeviceOptions) -> Device | None:
    from resin_toolkit.project.project_state import find_project_state

    memory = find_project_state(Path.cwd())
    word = memory.device if memory else ""
    if not word:
        return None
    try:
        device = _located(word, options)
        _require_answer(device)
    except (BadValue, DeviceAmbiguous, DeviceNotFound, Unreachable) as error:
        report.say(f"Ignoring the project's last device: {error.message}")
        return None
    report.say(f"Using the project's device, {device.name}.")
    return device


def _require_answer(device: Device) -> None:
    from resin_toolkit.tcp import connect_any, endpoints

    ports = (*device.engine_ports, device.ssh_port)
    connection, _ = connect_any(device.host, endpoints(device.addresses, ports))
    connection.close()


def open_engine(report: Report, device: Device) -> Engine:
    """Connect to the engine of `device`; prompt for what SSH asks. Raises as `engine.connect`."""
    from resin_toolkit.engine import connect

    return connect(device, ask=password_prompt(report), warn=report.warn, tell=report.say)


def _on_network(report: Report, options: DeviceOptions) -> Device:
    """The only device that announces itself, or the one that the user picks of several."""
    from resin_toolkit.discovery.discovered_device import DeviceChange
    from resin_toolkit.discovery.no_device import no_device_found
    from resin_toolkit.discovery.search import WITHIN, Search

    report.say("No device given: searching the network.")
    found = {}
    with Search(ssh_port=options.ssh_port) as search:
        for event in search.events():
            found[event.found.number] = event.found
            if event.change is DeviceChange.GONE:
                del found[event.found.number]
        if not found:
            raise no_device_found(search, WITHIN)
    from resin_toolkit.reach.identity import with_distinct_names

    devices = with_distinct_names([each.device for each in found.values()])
    choices = [(device, f"{device.name}  {next(iter(device.addresses), '')}") for device in devices]
    if len(choices) == 1:
        return choices[0][0]
    if not report.interactive:
        named = ", ".join(f"{device.name} ({next(iter(device.addresses), '')})" for device in devices)
        raise DeviceAmbiguous(
            f"{len(choices)} devices are on the network: {named}.",
            hint=f"Pass the name or address of one, or set {VARIABLE}.",
        )
    return report.choose("Which device?", lambda: choices)

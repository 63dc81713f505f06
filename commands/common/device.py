"""Which device a verb of the device half is about."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from commands.common.completions import devices
from resin_toolkit.device.record import Device
from resin_toolkit.errors import BadValue, DeviceAmbiguous, DeviceNotFound, Unreachable
from resin_toolkit.terminal.report import Report

WORD_HELP = "Name or address of the device; left out: the project's, or the one on the network."
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
    """For `verb.takes`: the options of every verb that is about a device."""

    ssh_port: Annotated[
        int | None,
        typer.Option(
            "--ssh-port", metavar="PORT", min=1, max=65535, help="Port of its SSH server (default 22222)."
        ),
    ] = None


def find_device(report: Report, word: str | None, options: DeviceOptions) -> Device:
    """The device that the user means: the one named, else RESIN_DEVICE, else the project's if it answers,
    else the one on the network, else the one picked of several.

    An empty word names nothing and is refused: it is a variable that was not set, and the one device on the
    network may be another than was meant. Raises BadValue, DeviceNotFound, and DeviceAmbiguous where several
    could be meant and nobody can be asked.
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
        report.say(f"The project's last device is left out: {error.message}")
        return None
    report.say(f"No device is named: taking the project's, {device.name}.")
    return device


def _require_answer(device: Device) -> None:
    from resin_toolkit.tcp import connect_any, endpoints

    ports = (*device.engine_ports, device.ssh_port)
    connection, _ = connect_any(device.host, endpoints(device.addresses, ports))
    connection.close()


def _on_network(report: Report, options: DeviceOptions) -> Device:
    """The one device that announces itself; the one that is picked, where there are several."""
    from resin_toolkit.discovery.discovered_device import Change
    from resin_toolkit.discovery.no_device import no_device_found
    from resin_toolkit.discovery.search import WITHIN, Search

    report.say("No device is named: looking for one on the network.")
    found = {}
    with Search(ssh_port=options.ssh_port) as search:
        for event in search.events():
            found[event.found.number] = event.found
            if event.news is Change.GONE:
                del found[event.found.number]
        if not found:
            raise no_device_found(search, WITHIN)
    devices = _called_apart([each.device for each in found.values()])
    choices = [(device, f"{device.name}  {next(iter(device.addresses), '')}") for device in devices]
    if len(choices) == 1:
        return choices[0][0]
    if not report.interactive:
        named = ", ".join(f"{device.name} ({next(iter(device.addresses), '')})" for device in devices)
        raise DeviceAmbiguous(
            f"{len(choices)} devices are on the network: {named}.",
            hint=f"Name the one that is meant, or set {VARIABLE}.",
        )
    return report.choose("Which device?", lambda: choices)


def _called_apart(devices: Sequence[Device]) -> list[Device]:
    """The devices, each by a name that no other has: those that share one go by their address."""
    from resin_toolkit.reach.identity import distinct_devices

    by_host: dict[str, list[Device]] = {}
    for device in devices:
        by_host.setdefault(device.host, []).append(device)
    known: list[Device] = []
    for same in by_host.values():
        apart = [device for device, _ in distinct_devices(same)] if len(same) > 1 else same
        known += [replace(each, host=each.addresses[0]) for each in apart] if len(apart) > 1 else apart
    return known

"""Which device a verb of the device half is about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from resin_toolkit.device import Device
from resin_toolkit.errors import DeviceAmbiguous, DeviceNotFound, Unreachable
from resin_toolkit.report import Report

WORD_HELP = "Name or address of the device; left out: the project's, or the one on the network."
DeviceWord = Annotated[str | None, typer.Argument(metavar="[DEVICE]", help=WORD_HELP, show_default=False)]
RequiredDeviceWord = Annotated[
    str, typer.Argument(metavar="DEVICE", help="Name or address of the device.", show_default=False)
]
VARIABLE = "RESIN_DEVICE"
PROJECT_FILE = Path(".resin") / "device"
"""Holds the DEVICE word that a project was last pushed to."""


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

    Raises BadValue, DeviceNotFound, and DeviceAmbiguous where several could be meant and nobody can be asked.
    """
    named = word or os.environ.get(VARIABLE)
    if named:
        return _located(named, options)
    return _of_project(report, options) or _on_network(report, options)


def _located(word: str, options: DeviceOptions) -> Device:
    from resin_toolkit.address import parse_address
    from resin_toolkit.resolving import locate

    return locate(parse_address(word), ssh_port=options.ssh_port)


def _of_project(report: Report, options: DeviceOptions) -> Device | None:
    word = project_device(Path.cwd())
    if not word:
        return None
    try:
        device = _located(word, options)
        _require_answer(device)
    except (DeviceNotFound, Unreachable) as error:
        report.say(f"The project's last device does not answer: {error.message}")
        return None
    return device


def project_device(folder: Path) -> str:
    """The DEVICE word that the project in `folder`, or around it, was last pushed to; empty for none."""
    for place in (folder, *folder.parents):
        try:
            return (place / PROJECT_FILE).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue
    return ""


def _require_answer(device: Device) -> None:
    from resin_toolkit.connecting import connect_any, places

    ports = (*device.engine_ports, device.ssh_port)
    connection, _ = connect_any(device.host, places(device.addresses, ports))
    connection.close()


def _on_network(report: Report, options: DeviceOptions) -> Device:
    """The one device that announces itself; the one that is picked, where there are several."""
    from commands.scan import nothing_found
    from resin_toolkit.discovery.found import News
    from resin_toolkit.discovery.search import WITHIN, Search

    report.say("No device is named: looking for one on the network.")
    found = {}
    with Search(ssh_port=options.ssh_port) as search:
        for event in search.events():
            found[event.found.number] = event.found
            if event.news is News.GONE:
                del found[event.found.number]
        if not found:
            raise nothing_found(search, WITHIN)
    choices = [
        (each.device, f"{each.device.name}  {next(iter(each.device.addresses), '')}")
        for each in found.values()
    ]
    if len(choices) == 1:
        return choices[0][0]
    if not report.interactive:
        raise DeviceAmbiguous(
            f"{len(choices)} devices are on the network: {', '.join(text for _, text in choices)}.",
            hint=f"Name the one that is meant, or set {VARIABLE}.",
        )
    return report.choose("Which device?", lambda: choices)

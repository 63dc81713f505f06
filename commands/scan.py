"""`resin scan`: discover devices on the local network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.device import SshPortOption
from commands.common.device_table import HEADINGS, device_data, device_table, row, row_line
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.errors import Interrupted
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen, screen

if TYPE_CHECKING:
    from resin_toolkit.discovery.discovered_device import DiscoveredDevice, DiscoveryEvent

EXAMPLES = """\b
Examples:
  resin scan
  resin scan --timeout 10
  resin scan --watch
  resin scan --json
"""


@dataclass(frozen=True)
class Scan:
    """The devices that were found, which are already on the screen."""

    devices: tuple[DiscoveredDevice, ...]

    def data(self) -> Mapping[str, object]:
        return {"devices": [device_data(found) for found in self.devices]}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return ""


@with_options(SshPortOption)
def scan(
    context: typer.Context,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=3600, help="How long to search.")
    ] = 4.0,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep watching for devices that come and go, until Ctrl-C.")
    ] = False,
    options: SshPortOption = SshPortOption(),
) -> Scan:
    """Discover devices on the local network and show their OS, engine and containers.

    Finds devices that announce themselves by mDNS, as resinOS and balenaOS development images do.
    """
    from resin_toolkit.device.seen_devices import remember_seen
    from resin_toolkit.discovery.no_device import describe_interfaces, no_device_found
    from resin_toolkit.discovery.search import Search
    from resin_toolkit.reach.inventory import probe_found, scan_notices

    report = report_of(context)
    with Search(within=timeout, watch=watch, probe=probe_found, ssh_port=options.ssh_port) as search:
        display = _ScanDisplay(report, describe_interfaces(search.searched), watch=watch)
        for event in search.events():
            display.update(event)
        display.finish()
        if not display.inventory.devices:
            raise no_device_found(search, timeout)
    devices = display.inventory.devices
    report.warn(*scan_notices(display.inventory, timeout), *remember_seen(found.device for found in devices))
    return Scan(devices)


app = single_command(scan, epilog=EXAMPLES)


class _ScanDisplay:
    """The devices as they are found: a table that is rewritten, or one line each where it cannot be."""

    def __init__(self, report: Report, interfaces: str, *, watch: bool) -> None:
        from resin_toolkit.reach.inventory import Inventory

        self.inventory = Inventory()
        self._report = report
        self._watch = watch
        self._interfaces = interfaces
        self._live = report.live()
        self._printed: dict[int, tuple[str, ...]] = {}
        self._has_headings = False
        self._rewrite()

    def update(self, event: DiscoveryEvent) -> None:
        """Show an event."""
        from resin_toolkit.discovery.discovered_device import DeviceChange

        change, found = event.change, event.found
        if change is DeviceChange.COMPLETED:
            self._print(found)
        self.inventory.update(event)
        if change is not DeviceChange.UPDATED:
            self._report.event(change.value, device=device_data(found))
        if change is DeviceChange.FOUND and not self._live:
            self._report.say(f"found: {found.device.name} at {next(iter(found.device.addresses), '')}")
        if change is DeviceChange.GONE and self._watch and not self._live:
            self._report.line(row_line((found.device.name, "gone", *[""] * (len(HEADINGS) - 2))))
        if self._watch:
            self._report.if_interrupted = Interrupted("Interrupted.")
            if self._report.settings.json:
                self._report.if_interrupted.partial = Scan(self.inventory.devices)
        self._rewrite()

    def finish(self) -> None:
        """Show the incomplete devices with what is known about them."""
        for found in self.inventory.incomplete:
            self._print(found)
        self._rewrite(whole=True)

    def _print(self, found: DiscoveredDevice) -> None:
        """Print a row where the table cannot be rewritten: once for each device, and again if it changed."""
        cells = row(found)
        if self._live or (self.inventory.is_complete(found) and cells == self._printed.get(found.number)):
            return
        if not self._has_headings:
            self._report.line(row_line(HEADINGS))
            self._has_headings = True
        self._printed[found.number] = cells
        self._report.line(row_line(cells))

    def _rewrite(self, *, whole: bool = False) -> None:
        if not self._live:
            return
        rows = [
            row(found, complete=whole or self.inventory.is_complete(found))
            for found in self.inventory.devices
        ]
        searching = f"Searching on {self._interfaces or 'no network'} ..."
        self._live.show(device_table(rows, screen()) if rows else "" if whole else searching, whole=whole)

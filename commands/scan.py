"""`resin scan`: discover devices on the local network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.device import DeviceOptions
from commands.common.device_table import HEADINGS, device_data, device_table, problem_notices, row, row_line
from resin_toolkit.cli.command import report_of, single_command, with_options
from resin_toolkit.errors import Interrupted, Notice
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen, screen

if TYPE_CHECKING:
    from resin_toolkit.discovery.discovered_device import DiscoveredDevice, DiscoveryEvent
    from resin_toolkit.discovery.interfaces import LocalAddress

EXAMPLES = """\b
Examples:
  resin scan
  resin scan --timeout 10
  resin scan --watch
  resin scan --json
"""


@dataclass(frozen=True)
class Scan:
    """The devices that were found; they have been shown already."""

    devices: tuple[DiscoveredDevice, ...]

    def data(self) -> Mapping[str, object]:
        return {"devices": [device_data(found) for found in self.devices]}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return ""


@with_options(DeviceOptions)
def scan(
    context: typer.Context,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=3600, help="How long to search.")
    ] = 4.0,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep watching for devices that come and go, until Ctrl-C.")
    ] = False,
    options: DeviceOptions = DeviceOptions(),
) -> Scan:
    """Discover devices on the local network and show their OS, engine and containers.

    Finds devices that announce themselves by mDNS, as resinOS and balenaOS development images do.
    """
    from resin_toolkit.discovery.search import Search
    from resin_toolkit.reach.device_info import probe

    report = report_of(context)
    with Search(within=timeout, watch=watch, probe=probe, ssh_port=options.ssh_port) as search:
        shown = _Shown(report, watch=watch)
        shown.begin(search.searched)
        for event in search.events():
            shown.take(event)
        found = shown.end()
        if not found:
            from resin_toolkit.discovery.no_device import no_device_found

            raise no_device_found(search, timeout)
    cut_short = _cut_short(shown.incomplete, timeout)
    for notice in (*_told_apart(found), *cut_short, *_problems(found), *_remember(found)):
        report.warn(notice)
    return Scan(tuple(found))


app = single_command(scan, epilog=EXAMPLES)


class _Shown:
    """The devices that are there, as the user sees them come."""

    def __init__(self, report: Report, *, watch: bool) -> None:
        self._report = report
        self._watch = watch
        self._live = report.live()
        self._devices: dict[int, DiscoveredDevice] = {}
        self._complete: set[int] = set()
        self.incomplete: tuple[DiscoveredDevice, ...] = ()
        """Those that had more to tell when the search ended."""
        self._printed: dict[int, tuple[str, ...]] = {}
        self._has_headings = False
        self._where = ""

    def begin(self, searched: Sequence[LocalAddress]) -> None:
        from resin_toolkit.discovery.no_device import describe_interfaces

        self._where = describe_interfaces(searched)
        self._rewrite()

    def take(self, event: DiscoveryEvent) -> None:
        from resin_toolkit.discovery.discovered_device import DeviceChange

        found, number = event.found, event.found.number
        self._devices[number] = found
        if event.change is DeviceChange.GONE:
            del self._devices[number]
        if event.change is not DeviceChange.LEARNT:
            self._report.event(event.change.value, device=device_data(found))
        if event.change is DeviceChange.FOUND and not self._live:
            self._report.say(f"found: {found.device.name} at {next(iter(found.device.addresses), '')}")
        if event.change is DeviceChange.COMPLETED:
            self._print(found)
            self._complete.add(number)
        if event.change is DeviceChange.GONE and self._watch and not self._live:
            self._report.line(row_line((found.device.name, "gone", *[""] * (len(HEADINGS) - 2))))
        if self._watch:
            self._report.if_interrupted = Interrupted("Interrupted.")
            if self._report.settings.json:
                self._report.if_interrupted.partial = Scan(tuple(self._devices.values()))
        self._rewrite()

    def end(self) -> list[DiscoveredDevice]:
        """All that are there, each shown with all that is known of it."""
        self.incomplete = tuple(
            found for number, found in self._devices.items() if number not in self._complete
        )
        for found in self.incomplete:
            self._print(found)
        self._complete = set(self._devices)
        self._rewrite(whole=True)
        return list(self._devices.values())

    def _print(self, found: DiscoveredDevice) -> None:
        """A row of its own, where rows cannot be rewritten; each device once, and again as it changes."""
        cells = row(found)
        if self._live or (found.number in self._complete and cells == self._printed.get(found.number)):
            return
        if not self._has_headings:
            self._report.line(row_line(HEADINGS))
            self._has_headings = True
        self._printed[found.number] = cells
        self._report.line(row_line(cells))

    def _rewrite(self, *, whole: bool = False) -> None:
        if not self._live:
            return
        rows = [row(found, complete=number in self._complete) for number, found in self._devices.items()]
        searching = f"Searching on {self._where or 'no network'} ..."
        self._live.show(device_table(rows, screen()) if rows else "" if whole else searching, whole=whole)


def _told_apart(found: Sequence[DiscoveredDevice]) -> list[Notice]:
    """A remark on each name that several devices have."""
    hosts: dict[str, list[DiscoveredDevice]] = {}
    for each in found:
        hosts.setdefault(each.device.host, []).append(each)
    return [
        Notice(
            "same-name",
            f"{len(same)} devices are called {host.removesuffix('.local')}: use their addresses, "
            + " or ".join(f"{next(iter(each.device.addresses), '')} ({each.interfaces[0]})" for each in same)
            + ".",
        )
        for host, same in hosts.items()
        if len(same) > 1
    ]


def _cut_short(incomplete: Sequence[DiscoveredDevice], seconds: float) -> list[Notice]:
    """A remark on each device of which the search was too short to learn more."""
    return [
        Notice(
            "not-answered",
            f"{each.device.host} announces itself but did not answer all queries within {seconds:g} s; it "
            f"may be slow or still booting. Try `resin scan --timeout {seconds * 3:g}`.",
        )
        for each in incomplete
    ]


def _problems(found: Sequence[DiscoveredDevice]) -> list[Notice]:
    return [notice for each in found for notice in problem_notices(each.facts)]


def _remember(found: Sequence[DiscoveredDevice]) -> list[Notice]:
    from resin_toolkit.device.cache import cache_device

    hosts = [each.device.host for each in found]
    return [
        notice
        for each in found
        if hosts.count(each.device.host) == 1 and each.facts.identity
        for notice in cache_device(
            each.device.host,
            each.device.addresses,
            engine_id=each.facts.engine_id or None,
            host_key=each.facts.host_key,
        )
    ]

"""The devices on the network: keeping track of them during a search, what to warn about, and caching them."""

from __future__ import annotations

from collections.abc import Sequence

from resin_toolkit.device.cache import cache_facts
from resin_toolkit.device.facts import problem_notices
from resin_toolkit.device.record import Device
from resin_toolkit.discovery.discovered_device import DeviceChange, DiscoveredDevice, DiscoveryEvent
from resin_toolkit.errors import Notice


class Inventory:
    """The devices on the network, kept up to date by the events of a search."""

    def __init__(self) -> None:
        self._devices: dict[int, DiscoveredDevice] = {}
        self._complete: set[int] = set()

    def update(self, event: DiscoveryEvent) -> None:
        """Apply an event."""
        number = event.found.number
        if event.change is DeviceChange.GONE:
            self._devices.pop(number, None)
            return
        self._devices[number] = event.found
        if event.change is DeviceChange.COMPLETED:
            self._complete.add(number)

    @property
    def devices(self) -> tuple[DiscoveredDevice, ...]:
        """The devices in the order in which they were found."""
        return tuple(self._devices.values())

    @property
    def incomplete(self) -> tuple[DiscoveredDevice, ...]:
        """The devices that have not answered all queries."""
        return tuple(found for number, found in self._devices.items() if number not in self._complete)

    def is_complete(self, found: DiscoveredDevice) -> bool:
        """Whether all facts that the device reports are known."""
        return found.number in self._complete


def discover_devices(*, ssh_port: int | None = None) -> list[Device]:
    """Search the network once; devices that share a name have their address as `host`.

    Raises DeviceNotFound if there are none.
    """
    from resin_toolkit.discovery.no_device import no_device_found
    from resin_toolkit.discovery.search import WITHIN, Search
    from resin_toolkit.reach.identity import with_distinct_names

    inventory = Inventory()
    with Search(ssh_port=ssh_port) as search:
        for event in search.events():
            inventory.update(event)
        if not inventory.devices:
            raise no_device_found(search, WITHIN)
    return with_distinct_names([found.device for found in inventory.devices])


def scan_notices(inventory: Inventory, seconds: float) -> list[Notice]:
    """What to warn about after a scan of `seconds`: shared names, slow devices, unknown facts."""
    return [
        *_same_name_notices(inventory.devices),
        *_incomplete_notices(inventory.incomplete, seconds),
        *(notice for found in inventory.devices for notice in problem_notices(found.facts)),
    ]


def cache_inventory(devices: Sequence[DiscoveredDevice]) -> list[Notice]:
    """Cache the devices whose name is unique; returns a notice for each that could not be stored."""
    hosts = [found.device.host for found in devices]
    return [
        notice
        for found in devices
        if hosts.count(found.device.host) == 1
        for notice in cache_facts(found.device, found.facts)
    ]


def _same_name_notices(devices: Sequence[DiscoveredDevice]) -> list[Notice]:
    by_host: dict[str, list[DiscoveredDevice]] = {}
    for found in devices:
        by_host.setdefault(found.device.host, []).append(found)
    return [
        Notice(
            "same-name",
            f"{len(same)} devices are named {host.removesuffix('.local')}. Use their addresses: "
            + " or ".join(f"{next(iter(each.device.addresses), '')} ({each.interfaces[0]})" for each in same)
            + ".",
        )
        for host, same in by_host.items()
        if len(same) > 1
    ]


def _incomplete_notices(incomplete: Sequence[DiscoveredDevice], seconds: float) -> list[Notice]:
    return [
        Notice(
            "not-answered",
            f"{found.device.host} announces itself but did not answer all queries within {seconds:g} s; it "
            f"may be slow or still booting. Try `resin scan --timeout {seconds * 3:g}`.",
        )
        for found in incomplete
    ]

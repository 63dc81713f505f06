"""A device that was discovered, and the events that report it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.device.ip_addresses import sort_addresses
from resin_toolkit.device.record import Device
from resin_toolkit.discovery.responders import Sighting


class DeviceChange(Enum):
    """What changed about a device."""

    FOUND = "found"
    UPDATED = "updated"
    """More facts are known."""
    CHANGED = "changed"
    """Its addresses or interfaces changed."""
    COMPLETED = "completed"
    """All facts that it reports are known."""
    GONE = "gone"


@dataclass(frozen=True)
class DiscoveredDevice:
    """A device that announces itself; its names are safe to display."""

    number: int
    """Unique within a search; names are not."""
    name: str
    """The announced instance name, usually its host name without `.local`."""
    device: Device
    interfaces: tuple[str, ...]
    facts: DeviceFacts


@dataclass(frozen=True)
class DiscoveryEvent:
    """A change of one device."""

    change: DeviceChange
    found: DiscoveredDevice


def discovered_device(
    number: int, sightings: Sequence[Sighting], facts: DeviceFacts, *, ssh_port: int | None
) -> DiscoveredDevice:
    """The device of these sightings. `ssh_port` takes precedence over the announced port."""
    first = min(sightings, key=lambda sighting: sighting.key)
    device = Device(
        printable(first.host),
        sort_addresses(
            (address for sighting in sightings for address in sighting.addresses),
            off_link=frozenset(address for sighting in sightings for address in sighting.off_link),
        ),
        ssh_port=ssh_port or first.port,
    )
    interfaces = tuple(sorted({sighting.interface for sighting in sightings}))
    return DiscoveredDevice(number, printable(first.instance), device, interfaces, facts)


def printable(name: str) -> str:
    """A name from the network, with control, bidirectional and invisible characters replaced."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)

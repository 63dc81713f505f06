"""A device that was found on the network, and the news of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.device.record import Device
from resin_toolkit.discovery.addresses import in_order
from resin_toolkit.discovery.responders import Sighting


class Change(Enum):
    """What has happened to a device."""

    FOUND = "found"
    LEARNT = "learnt"
    """More is known of it."""
    CHANGED = "changed"
    """It has other addresses, or is on another network."""
    COMPLETED = "completed"
    """All that it tells is known."""
    GONE = "gone"


@dataclass(frozen=True)
class DiscoveredDevice:
    """A device that announces itself; its names are fit to be shown."""

    number: int
    """Tells it from all others of one search, whatever they are called."""
    name: str
    """What it announces itself as; mostly its host name without `.local`."""
    device: Device
    interfaces: tuple[str, ...]
    facts: DeviceFacts


@dataclass(frozen=True)
class DiscoveryEvent:
    news: Change
    found: DiscoveredDevice


def discovered_device_of(
    number: int, sightings: Sequence[Sighting], facts: DeviceFacts, *, ssh_port: int | None
) -> DiscoveredDevice:
    """The device that all of these sightings are of; `ssh_port` counts more than the one it announces."""
    first = min(sightings, key=lambda sighting: sighting.key)
    device = Device(
        fit_to_show(first.host),
        in_order(address for sighting in sightings for address in sighting.addresses),
        ssh_port=ssh_port or first.port,
    )
    interfaces = tuple(sorted({sighting.interface for sighting in sightings}))
    return DiscoveredDevice(number, fit_to_show(first.instance), device, interfaces, facts)


def fit_to_show(name: str) -> str:
    """A name from the network without what would move a cursor, turn a line round or look like nothing."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)

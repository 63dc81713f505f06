"""What the neighbours have told, kept apart by who told it, and put together to devices.

Two devices may have one name: on two networks, or where one of them does not give way as RFC 6762 section 9
wants it. So nothing of one sender is mixed with what another sent, until an address shows that they are the
same device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from resin_toolkit.discovery.addresses import zoned
from resin_toolkit.discovery.messages import (
    SUBTYPES,
    HostAddress,
    Pointer,
    Question,
    RecordType,
    Service,
    instance_of,
    read,
)
from resin_toolkit.discovery.sockets import Datagram

_RESCUE = 1.0
"""Seconds after a goodbye within which another announcement takes it back (RFC 6762 section 10.1)."""
_MOST_SENDERS = 500
_MOST_INSTANCES = 50
"""Of one sender; what is beyond both is no network of devices but somebody's joke."""


@dataclass(frozen=True)
class Sighting:
    """A device as one sender has told of it on one interface."""

    interface: str
    source: str
    instance: str
    host: str
    """Full name without the last dot: `kitchen.local`."""
    port: int
    addresses: tuple[str, ...]
    """IP addresses, link-local IPv6 ones with their zone."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.interface, self.source, self.instance.lower()

    def is_same_device(self, other: Sighting) -> bool:
        """Whether both are of one device, as far as names and addresses can tell."""
        if (self.instance.lower(), self.host) != (other.instance.lower(), other.host):
            return False
        if self.interface != other.interface:
            # The same private IPv4 address can be another device on another network; a link-local IPv6
            # address is made of what one network card has alone.
            mine, others = self._cards, other._cards
            if mine and others:
                return bool(mine & others)
        return bool(self._places & other._places)

    @property
    def _places(self) -> set[str]:
        return {self.source, *(address.partition("%")[0] for address in self.addresses)}

    @property
    def _cards(self) -> set[str]:
        return {place for place in self._places if place.lower().startswith("fe80:")}


@dataclass
class _Sender:
    """What one sender has told, by names in lower case."""

    offered: dict[str, str] = field(default_factory=dict)
    """Its instances, as they are written."""
    heard: dict[str, float] = field(default_factory=dict)
    """When an instance was last offered."""
    leaving: dict[str, float] = field(default_factory=dict)
    """When an instance will be gone."""
    services: dict[str, Service] = field(default_factory=dict)
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Responders:
    """All that has been told so far. Times are those of time.monotonic."""

    def __init__(self) -> None:
        self._senders: dict[tuple[str, str], _Sender] = {}

    def learn(self, datagram: Datagram, now: float) -> None:
        """Take in a message; what it says of other things than devices is passed over."""
        records = read(datagram.data)
        key = (datagram.origin.interface, datagram.source)
        sender = self._senders.get(key)
        pointers = [r for r in records if isinstance(r, Pointer) and r.name in SUBTYPES]
        if sender is None:
            if not pointers or len(self._senders) >= _MOST_SENDERS:
                return
            sender = self._senders[key] = _Sender()
        for pointer in pointers:
            _take_pointer(sender, pointer, now)
        for record in records:
            if isinstance(record, Service) and record.name in sender.offered:
                sender.services[record.name] = record
        _take_addresses(sender, [r for r in records if isinstance(r, HostAddress)])

    def expire(self, now: float) -> None:
        """Leave out those whose goodbye was not taken back."""
        for sender in self._senders.values():
            for name in [name for name, when in sender.leaving.items() if when <= now]:
                _forget(sender, name)

    def next_expiry(self) -> float | None:
        """When `expire` has something to do."""
        return min(
            (when for sender in self._senders.values() for when in sender.leaving.values()), default=None
        )

    def drop_silent(self, since: float) -> None:
        """Leave out what has not been offered again since then."""
        for sender in self._senders.values():
            for name in [name for name, when in sender.heard.items() if when < since]:
                _forget(sender, name)

    def drop_interfaces(self, gone: Iterable[str]) -> None:
        """Leave out all that was told on interfaces that are no longer there."""
        for key in [key for key in self._senders if key[0] in set(gone)]:
            del self._senders[key]

    def sightings(self) -> list[Sighting]:
        """The devices of which all is known that is needed to connect to them."""
        return [
            Sighting(interface, source, instance_of(instance), _bare(service.host), service.port, addresses)
            for interface, source, instance, service, addresses in self._offers()
            if service is not None and addresses
        ]

    def open_questions(self) -> Iterator[tuple[str, Question]]:
        """What has to be asked, and on which interface, to know where the others are."""
        for interface, _, instance, service, addresses in self._offers():
            if service is None:
                yield interface, Question(instance, RecordType.SRV)
            elif not addresses:
                yield interface, Question(service.host, RecordType.A)
                yield interface, Question(service.host, RecordType.AAAA)

    def _offers(self) -> Iterator[tuple[str, str, str, Service | None, tuple[str, ...]]]:
        for (interface, source), sender in self._senders.items():
            for name, instance in sender.offered.items():
                service = sender.services.get(name)
                found = sender.addresses.get(service.host.lower(), ()) if service else ()
                yield interface, source, instance, service, tuple(zoned(a, interface) for a in found)


def devices_of(sightings: Iterable[Sighting]) -> list[list[Sighting]]:
    """The sightings, those of one device together."""
    groups: list[list[Sighting]] = []
    for sighting in sightings:
        same = [group for group in groups if any(sighting.is_same_device(other) for other in group)]
        groups = [group for group in groups if group not in same]
        groups.append([*(other for group in same for other in group), sighting])
    return groups


def _take_pointer(sender: _Sender, pointer: Pointer, now: float) -> None:
    name = pointer.target.lower()
    if not pointer.ttl:
        if name in sender.offered:
            sender.leaving.setdefault(name, now + _RESCUE)
        return
    if name not in sender.offered and len(sender.offered) >= _MOST_INSTANCES:
        return
    sender.offered[name] = pointer.target
    sender.heard[name] = now
    sender.leaving.pop(name, None)


def _take_addresses(sender: _Sender, records: list[HostAddress]) -> None:
    """The addresses of a host in one message are all that it has of their family (RFC 6762 section 10.2)."""
    for host in {record.name for record in records}:
        told = {record.address: record.ttl for record in records if record.name == host}
        families = {":" in address for address in told}
        kept = [a for a in sender.addresses.get(host, ()) if (":" in a) not in families]
        sender.addresses[host] = (*kept, *(address for address, ttl in told.items() if ttl))


def _forget(sender: _Sender, name: str) -> None:
    for known in (sender.offered, sender.heard, sender.leaving, sender.services):
        known.pop(name, None)


def _bare(host: str) -> str:
    return host.rstrip(".").lower()

"""What responders announced, kept apart by sender, and grouped into devices.

Two devices may have one name: on two networks, or on one if they do not resolve the conflict as RFC 6762
section 9 requires. So the records of one sender are never mixed with another's, until an address shows that
both belong to the same device. Of two such devices, zeroconf's cache, which does not know senders, keeps one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resin_toolkit.device.ip_addresses import zoned
from resin_toolkit.discovery.interfaces import LocalNetworks
from resin_toolkit.discovery.messages import (
    SUBTYPES,
    RecordType,
    instance_of,
    ip_address,
    question,
    read_answers,
)
from resin_toolkit.discovery.sockets import Datagram

if TYPE_CHECKING:
    from zeroconf import DNSAddress, DNSPointer, DNSQuestion, DNSService

_RESCUE = 1.0
"""Seconds after a goodbye within which another announcement cancels it (RFC 6762 section 10.1)."""
_MAX_SENDERS = 500
_MAX_INSTANCES = 50
"""Of one sender. Anything beyond both limits is an attack, not a network of devices."""
_MAX_DEVICES = 500
"""Instances of all senders."""
_MAX_HOSTS = 64
_MAX_ADDRESSES = 32
"""Hosts of one sender, and addresses of one host."""


@dataclass(frozen=True)
class Sighting:
    """A device as one sender announced it on one interface."""

    interface: str
    source: str
    """The sender's IP address, without a zone."""
    instance: str
    host: str
    """Full name without the last dot: `kitchen.local`."""
    port: int
    addresses: tuple[str, ...]
    """IP addresses, link-local IPv6 ones with their zone."""
    off_link: frozenset[str] = frozenset()
    """Those of them that are on none of the networks of the interface."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.interface, self.source, self.instance.lower()

    def is_same_device(self, other: Sighting) -> bool:
        """Whether both are of one device, as far as names and addresses show."""
        if (self.instance.lower(), self.host) != (other.instance.lower(), other.host):
            return False
        if self.interface != other.interface:
            # The same private IPv4 address can be another device on another network. A link-local IPv6
            # address is derived from one network card.
            ours, theirs = self._link_local_addresses, other._link_local_addresses
            if ours and theirs:
                return bool(ours & theirs)
        return bool(self._all_addresses & other._all_addresses)

    @property
    def _all_addresses(self) -> set[str]:
        return {self.source, *(address.partition("%")[0] for address in self.addresses)}

    @property
    def _link_local_addresses(self) -> set[str]:
        return {address for address in self._all_addresses if address.lower().startswith("fe80:")}


@dataclass
class _Sender:
    """What one sender announced, by names in lower case."""

    instances: dict[str, str] = field(default_factory=dict)
    """Its instances, spelled as announced."""
    announced_at: dict[str, float] = field(default_factory=dict)
    """When an instance was last announced."""
    expires_at: dict[str, float] = field(default_factory=dict)
    """When an instance is removed after its goodbye."""
    services: dict[str, DNSService] = field(default_factory=dict)
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    off_link: set[str] = field(default_factory=set)


class Responders:
    """Everything announced so far. Times are those of time.monotonic."""

    def __init__(self) -> None:
        self._senders: dict[tuple[str, str], _Sender] = {}

    def add(self, datagram: Datagram, now: float, local: LocalNetworks) -> None:
        """Add the records of a message; other services than devices are ignored.

        So are addresses that are none of another machine.
        """
        from zeroconf import DNSAddress, DNSPointer, DNSService

        records = read_answers(datagram.data)
        key = (datagram.origin.interface, datagram.source)
        sender = self._senders.get(key)
        pointers = [record for record in records if isinstance(record, DNSPointer) and _is_device(record)]
        if sender is None:
            if not pointers or len(self._senders) >= _MAX_SENDERS:
                return
            sender = self._senders[key] = _Sender()
        for pointer in pointers:
            room = _MAX_DEVICES - sum(len(each.instances) for each in self._senders.values())
            _add_pointer(sender, pointer, now, has_room=room > 0)
        for record in records:
            if isinstance(record, DNSService) and record.key in sender.instances:
                sender.services[record.key] = record
        found = [
            record
            for record in records
            if isinstance(record, DNSAddress)
            if (address := ip_address(record)) and local.may_be_device(address)
        ]
        interface = datagram.origin.interface
        if len(sender.off_link) < _MAX_HOSTS * _MAX_ADDRESSES:
            sender.off_link.update(a for a in map(ip_address, found) if not local.is_on_link(interface, a))
        _add_addresses(sender, found)

    def expire(self, now: float) -> None:
        """Remove instances whose goodbye was not cancelled."""
        for sender in self._senders.values():
            for name in [name for name, when in sender.expires_at.items() if when <= now]:
                _forget(sender, name)

    def next_expiry(self) -> float | None:
        """When `expire` has something to remove."""
        return min(
            (when for sender in self._senders.values() for when in sender.expires_at.values()), default=None
        )

    def drop_silent(self, since: float) -> None:
        """Remove instances that have not been announced since then."""
        for sender in self._senders.values():
            for name in [name for name, when in sender.announced_at.items() if when < since]:
                _forget(sender, name)

    def drop_interfaces(self, gone: Iterable[str]) -> None:
        """Remove everything announced on interfaces that no longer exist."""
        for key in [key for key in self._senders if key[0] in set(gone)]:
            del self._senders[key]

    def sightings(self) -> list[Sighting]:
        """The devices whose service and address are known."""
        return [
            Sighting(
                interface,
                source,
                instance_of(instance),
                service.server.rstrip(".").lower(),
                service.port,
                addresses,
                frozenset(self._senders[interface, source].off_link),
            )
            for interface, source, instance, service, addresses in self._instances()
            if service is not None and addresses
        ]

    def missing_records(self) -> Iterator[tuple[str, DNSQuestion]]:
        """Questions for the services and addresses not known yet, each with its interface."""
        for interface, _, instance, service, addresses in self._instances():
            if service is None:
                yield interface, question(instance, RecordType.SRV)
            elif not addresses:
                yield interface, question(service.server, RecordType.A)
                yield interface, question(service.server, RecordType.AAAA)

    def _instances(self) -> Iterator[tuple[str, str, str, DNSService | None, tuple[str, ...]]]:
        for (interface, source), sender in self._senders.items():
            for name, instance in sender.instances.items():
                service = sender.services.get(name)
                addresses = sender.addresses.get(service.server_key, ()) if service else ()
                yield interface, source, instance, service, tuple(zoned(a, interface) for a in addresses)


def group_by_device(sightings: Iterable[Sighting]) -> list[list[Sighting]]:
    """The sightings, grouped into devices."""
    groups: list[list[Sighting]] = []
    for sighting in sightings:
        same = [group for group in groups if any(sighting.is_same_device(other) for other in group)]
        groups = [group for group in groups if group not in same]
        groups.append([*(other for group in same for other in group), sighting])
    return groups


def _is_device(pointer: DNSPointer) -> bool:
    return pointer.type == RecordType.PTR and pointer.key in SUBTYPES


def _add_pointer(sender: _Sender, pointer: DNSPointer, now: float, *, has_room: bool) -> None:
    name = pointer.alias_key
    if not pointer.ttl:
        if name in sender.instances:
            sender.expires_at.setdefault(name, now + _RESCUE)
        return
    if name not in sender.instances and not (has_room and len(sender.instances) < _MAX_INSTANCES):
        return
    sender.instances[name] = pointer.alias
    sender.announced_at[name] = now
    sender.expires_at.pop(name, None)


def _add_addresses(sender: _Sender, records: list[DNSAddress]) -> None:
    """The addresses of a host in one message are all that it has of their family (RFC 6762 section 10.2)."""
    for host in {record.key for record in records}:
        ttls = {ip_address(record): record.ttl for record in records if record.key == host}
        ttls.pop("", None)
        families = {":" in address for address in ttls}
        if host not in sender.addresses and len(sender.addresses) >= _MAX_HOSTS:
            continue
        kept = [a for a in sender.addresses.get(host, ()) if (":" in a) not in families]
        addresses = (*kept, *(address for address, ttl in ttls.items() if ttl))
        sender.addresses[host] = addresses[:_MAX_ADDRESSES]


def _forget(sender: _Sender, name: str) -> None:
    for records in (sender.instances, sender.announced_at, sender.expires_at, sender.services):
        records.pop(name, None)

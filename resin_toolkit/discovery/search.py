"""Searching the network for devices: queries on a schedule, events as soon as something is known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.discovery.discovered_device import (
    DeviceChange,
    DiscoveredDevice,
    DiscoveryEvent,
    discovered_device,
)
from resin_toolkit.discovery.interfaces import LocalAddress
from resin_toolkit.discovery.messages import SUBTYPES, RecordType, query, question
from resin_toolkit.discovery.network import Network
from resin_toolkit.discovery.probes import Probe, Probes
from resin_toolkit.discovery.responders import Responders, Sighting, group_by_device
from resin_toolkit.discovery.schedule import QuerySchedule

if TYPE_CHECKING:
    from zeroconf import DNSQuestion

WITHIN = 4.0
"""Seconds that a search takes at most."""
_MAX_QUERIED = 2000
"""Queries for missing records; a responder may announce ever new names."""
_PROBE_INTERVAL = 30.0
"""Seconds after which a watch probes a device again."""


class Search:
    """A search for devices, open until `close`; also a context manager.

    `probe` is called for each device in its own thread. The search ends one second after the last change, and
    after `within` seconds in any case; with `watch` it never ends.
    """

    def __init__(
        self,
        *,
        within: float = WITHIN,
        watch: bool = False,
        probe: Probe | None = None,
        ssh_port: int | None = None,
    ) -> None:
        self._watch = watch
        self._within = within
        self._ssh_port = ssh_port
        self._probes = Probes(probe, self._wake) if probe else None
        self._responders = Responders()
        self._known: dict[int, _Known] = {}
        self._count = 0
        self._queried: set[tuple[str, DNSQuestion]] = set()
        self._query = query(*(question(name, RecordType.PTR) for name in SUBTYPES))
        self._network = Network()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the search. The results of running probes are discarded."""
        self._network.close()

    @property
    def searched(self) -> tuple[LocalAddress, ...]:
        """The addresses that queries were sent from."""
        return self._network.searched

    @property
    def failures(self) -> dict[LocalAddress, str]:
        """The addresses that they could not be sent from, each with the reason."""
        return self._network.failures

    def events(self) -> Iterator[DiscoveryEvent]:
        """Search, and yield each change as soon as it is known."""
        schedule = QuerySchedule(time.monotonic(), self._within, watch=self._watch)
        while not schedule.is_over(time.monotonic(), incomplete=bool(self._probes and self._probes.running)):
            now = time.monotonic()
            self._follow_interfaces(schedule)
            if schedule.is_query_due(now):
                self._network.send(self._query)
            if schedule.has_round_ended(now):
                self._responders.drop_silent(schedule.round_started)
            for datagram in self._network.receive(schedule.next_time(now, self._responders.next_expiry())):
                self._responders.add(datagram, time.monotonic(), self._network.local)
            self._responders.expire(time.monotonic())
            self._query_missing_records()
            for event in (*self._device_changes(schedule), *self._updated_facts()):
                schedule.record_change(time.monotonic())
                yield event
            self._repeat_probes()

    def _wake(self) -> None:
        self._network.wake()

    def _follow_interfaces(self, schedule: QuerySchedule) -> None:
        added, removed = self._network.refresh()
        if removed:
            left = {origin.interface for origin in self._network.searched}
            self._responders.drop_interfaces({origin.interface for origin in removed} - left)
        if added:
            self._network.send(self._query, origins=added)
            schedule.begin_round(time.monotonic())

    def _query_missing_records(self) -> None:
        """Query once for the records that an announcement did not include."""
        for interface, missing in self._responders.missing_records():
            if (interface, missing) in self._queried or len(self._queried) >= _MAX_QUERIED:
                continue
            self._queried.add((interface, missing))
            try:
                message = query(missing)
            except ValueError:
                continue
            origins = {origin for origin in self._network.searched if origin.interface == interface}
            self._network.send(message, origins=origins)

    def _device_changes(self, schedule: QuerySchedule) -> Iterator[DiscoveryEvent]:
        """The devices that appeared, changed or left since the last call."""
        left = dict(self._known)
        for group in self._sightings_by_device():
            keys = {sighting.key for sighting in group}
            number = next((n for n, known in left.items() if known.keys & keys), None)
            if number is None:
                yield self._add(group)
                if self._has_namesake(group):
                    schedule.begin_extra_round(time.monotonic())
                continue
            known = left.pop(number)
            found = self._discovered(number, group, known.found.facts)
            known.keys = keys
            if found.device != known.found.device or found.interfaces != known.found.interfaces:
                moved = found.device.addresses != known.found.device.addresses
                known.found = found
                if moved:
                    schedule.begin_extra_round(time.monotonic())
                    self._probe(known)
                yield DiscoveryEvent(DeviceChange.CHANGED, found)
        for number, known in left.items():
            del self._known[number]
            yield DiscoveryEvent(DeviceChange.GONE, known.found)

    def _sightings_by_device(self) -> list[list[Sighting]]:
        """The sightings of each device, also where only the host key shows that they are of one, such as a
        board that is connected by cable and by Wi-Fi. Anybody can copy an engine ID.
        """
        identities = {
            key: (known.found.device.host, known.found.facts.host_key)
            for known in self._known.values()
            for key in known.keys
            if known.found.facts.host_key
        }
        groups: dict[object, list[Sighting]] = {}
        for group in group_by_device(self._responders.sightings()):
            same = next((identities[each.key] for each in group if each.key in identities), group[0].key)
            groups.setdefault(same, []).extend(group)
        return list(groups.values())

    def _add(self, group: list[Sighting]) -> DiscoveryEvent:
        self._count += 1
        found = self._discovered(self._count, group, DeviceFacts())
        known = self._known[self._count] = _Known(found, {sighting.key for sighting in group})
        self._probe(known)
        return DiscoveryEvent(DeviceChange.FOUND, found)

    def _discovered(self, number: int, group: list[Sighting], facts: DeviceFacts) -> DiscoveredDevice:
        return discovered_device(number, group, facts, ssh_port=self._ssh_port)

    def _has_namesake(self, group: list[Sighting]) -> bool:
        """Whether another device has the same name: perhaps the same one, at an address that it lost."""
        names = {sighting.host for sighting in group}
        return sum(known.found.device.host in names for known in self._known.values()) > 1

    def _probe(self, known: _Known) -> None:
        if self._probes:
            known.probed = time.monotonic()
            self._probes.start(known.found.number, known.found.device)

    def _repeat_probes(self) -> None:
        if self._watch:
            for known in self._known.values():
                if time.monotonic() - known.probed >= _PROBE_INTERVAL:
                    self._probe(known)

    def _updated_facts(self) -> Iterator[DiscoveryEvent]:
        """The facts that probes have found since the last call."""
        for number, device, facts, complete in self._probes.results() if self._probes else ():
            known = self._known.get(number)
            if known is None or known.found.device != device:
                continue
            if complete or facts != known.found.facts:
                known.found = replace(known.found, facts=facts)
                yield DiscoveryEvent(
                    DeviceChange.COMPLETED if complete else DeviceChange.UPDATED, known.found
                )


@dataclass
class _Known:
    """A device that was reported, and the keys of its sightings."""

    found: DiscoveredDevice
    keys: set[tuple[str, str, str]]
    probed: float = 0.0

"""Looking for devices: questions at their times, answers as they come, news as soon as it is known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from resin_toolkit.device.facts import DeviceFacts
from resin_toolkit.discovery.discovered_device import (
    Change,
    DiscoveredDevice,
    DiscoveryEvent,
    discovered_device_of,
)
from resin_toolkit.discovery.interfaces import LocalAddress
from resin_toolkit.discovery.messages import SUBTYPES, Question, RecordType, questions
from resin_toolkit.discovery.network import Network
from resin_toolkit.discovery.probes import Probe, Probes
from resin_toolkit.discovery.responders import Responders, Sighting, devices_of
from resin_toolkit.discovery.schedule import QuerySchedule

WITHIN = 4.0
"""Seconds that a search takes at most."""
_PROBED_AGAIN = 30.0
"""Seconds after which a device is asked anew what runs on it."""
_QUESTION = questions(*(Question(name, RecordType.PTR) for name in SUBTYPES))


class Search:
    """One look at the network; open until `close`, or as a context.

    `probe` is asked of each device in a thread of its own. Without `watch` the search ends a second after the
    last news, and after `within` seconds in any case; with it, never.
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
        self._asked: set[tuple[str, Question]] = set()
        self._network = Network()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it. A probe that is under way ends by itself, and is not heard any more."""
        self._network.close()

    @property
    def searched(self) -> tuple[LocalAddress, ...]:
        """Where questions went out."""
        return self._network.searched

    @property
    def failures(self) -> dict[LocalAddress, str]:
        """Where they could not go out, and why."""
        return self._network.failures

    def events(self) -> Iterator[DiscoveryEvent]:
        """The news, as it comes."""
        clock = QuerySchedule(time.monotonic(), self._within, watch=self._watch)
        while not clock.is_over(waiting=bool(self._probes and self._probes.running)):
            now = time.monotonic()
            self._look_after_interfaces(clock)
            if clock.must_ask(now):
                self._network.ask(_QUESTION)
            if clock.round_is_over(now):
                self._responders.drop_silent(clock.round_started)
            for datagram in self._network.wait(clock.next(now, self._responders.next_expiry())):
                self._responders.learn(datagram, time.monotonic())
            self._responders.expire(time.monotonic())
            self._ask_for_the_rest()
            for event in (*self._changes(clock), *self._learnt()):
                clock.news()
                yield event
            self._probe_again()

    def _wake(self) -> None:
        self._network.wake()

    def _look_after_interfaces(self, clock: QuerySchedule) -> None:
        come, gone = self._network.refresh()
        if gone:
            left = {origin.interface for origin in self._network.searched}
            self._responders.drop_interfaces({origin.interface for origin in gone} - left)
        if come:
            self._network.ask(_QUESTION, of=come)
            clock.begin_round(time.monotonic())

    def _ask_for_the_rest(self) -> None:
        """Ask once for what an announcement left out; the rounds of a watch ask for it again."""
        for interface, question in self._responders.open_questions():
            if (interface, question) in self._asked:
                continue
            self._asked.add((interface, question))
            try:
                message = questions(question)
            except ValueError:
                continue
            links = {origin for origin in self._network.searched if origin.interface == interface}
            self._network.ask(message, of=links)

    def _changes(self, clock: QuerySchedule) -> Iterator[DiscoveryEvent]:
        """What has changed of who is there."""
        groups = self._groups()
        left = dict(self._known)
        for group in groups:
            keys = {sighting.key for sighting in group}
            number = next((n for n, known in left.items() if known.keys & keys), None)
            if number is None:
                yield self._appeared(group)
                clock.suspect(self._namesakes(group))
                continue
            known = left.pop(number)
            found = self._described(number, group, known.found.facts)
            known.keys = keys
            if found.device != known.found.device or found.interfaces != known.found.interfaces:
                moved = found.device.addresses != known.found.device.addresses
                known.found = found
                if moved:
                    clock.suspect(True)
                    self._probe(known)
                yield DiscoveryEvent(Change.CHANGED, found)
        for number, known in left.items():
            del self._known[number]
            yield DiscoveryEvent(Change.GONE, known.found)

    def _groups(self) -> list[list[Sighting]]:
        """Who is there now: also those together of which nothing but the same key or engine shows that they
        are one, as a board that is on the network by cable and by Wi-Fi.
        """
        identities = {
            key: (known.found.device.host, known.found.facts.identity)
            for known in self._known.values()
            for key in known.keys
            if known.found.facts.identity
        }
        groups: dict[object, list[Sighting]] = {}
        for group in devices_of(self._responders.sightings()):
            same = next((identities[s.key] for s in group if s.key in identities), group[0].key)
            groups.setdefault(same, []).extend(group)
        return list(groups.values())

    def _appeared(self, group: list[Sighting]) -> DiscoveryEvent:
        self._count += 1
        found = self._described(self._count, group, DeviceFacts())
        known = self._known[self._count] = _Known(found, {sighting.key for sighting in group})
        self._probe(known)
        return DiscoveryEvent(Change.FOUND, found)

    def _described(self, number: int, group: list[Sighting], facts: DeviceFacts) -> DiscoveredDevice:
        return discovered_device_of(number, group, facts, ssh_port=self._ssh_port)

    def _namesakes(self, group: list[Sighting]) -> bool:
        """Whether a device of that name is there already: perhaps itself, at an address that it has lost."""
        names = {sighting.host for sighting in group}
        return sum(known.found.device.host in names for known in self._known.values()) > 1

    def _probe(self, known: _Known) -> None:
        if self._probes:
            known.probed = time.monotonic()
            self._probes.start(known.found.number, known.found.device)

    def _probe_again(self) -> None:
        if self._watch:
            for known in self._known.values():
                if time.monotonic() - known.probed >= _PROBED_AGAIN:
                    self._probe(known)

    def _learnt(self) -> Iterator[DiscoveryEvent]:
        """What the probes have found out."""
        for number, device, facts, complete in self._probes.results() if self._probes else ():
            known = self._known.get(number)
            if known is None or known.found.device != device:
                continue
            if complete or facts != known.found.facts:
                known.found = replace(known.found, facts=facts)
                yield DiscoveryEvent(Change.COMPLETED if complete else Change.LEARNT, known.found)


@dataclass
class _Known:
    """A device that was told of, and by which sightings it is known again."""

    found: DiscoveredDevice
    keys: set[tuple[str, str, str]]
    probed: float = 0.0

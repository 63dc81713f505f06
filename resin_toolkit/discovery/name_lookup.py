"""The addresses of a `.local` name, asked for by multicast DNS (RFC 6762) on every interface."""

from __future__ import annotations

import time
from collections.abc import Callable

from resin_toolkit.discovery.addresses import in_order, zoned
from resin_toolkit.discovery.messages import HostAddress, Question, RecordType, questions, read
from resin_toolkit.discovery.network import Network
from resin_toolkit.discovery.responders import Sighting, devices_of
from resin_toolkit.discovery.sockets import Datagram

ASKED_AT = (0.0, 0.3, 1.0, 2.0)
"""Seconds after the start; a question or its answer may be lost, on Wi-Fi more often than not."""
_LOOKED_UP_EVERY = 0.1
"""Seconds between two questions of whether it is enough."""
_STRAGGLERS = 0.03
"""Seconds that other addresses of the name are waited for after the first."""

_Told = dict[tuple[str, str], dict[str, None]]
"""Addresses, by the interface and the sender that told them."""


def resolve(name: str, *, within: float, enough: Callable[[], bool] = lambda: False) -> list[tuple[str, ...]]:
    """Who answers to `name` within seconds: the IP addresses of each, those to be tried first in front.

    Answers are of one device only where they show that themselves. Ends early, with nothing, once `enough`
    says so. A link-local IPv6 address has its zone. An address that the name lost (time to live 0) is left
    out.
    """
    try:
        message = questions(Question(f"{name}.", RecordType.A), Question(f"{name}.", RecordType.AAAA))
    except ValueError:
        return []
    with Network() as network:
        started = time.monotonic()
        deadline = started + within
        pending = [started + seconds for seconds in ASKED_AT if seconds < within]
        told: _Told = {}
        while (now := time.monotonic()) < deadline and (told or not enough()):
            if pending and now >= pending[0] and not told:
                pending.pop(0)
                network.refresh()
                network.ask(message)
            until = deadline if told or not pending else min(deadline, pending[0])
            for datagram in network.wait(min(until, now + _LOOKED_UP_EVERY)):
                _take(told, datagram, f"{name}.".lower())
            if told:
                deadline = min(deadline, time.monotonic() + _STRAGGLERS)
                pending = []
    return _by_device(name, told)


def _take(told: _Told, datagram: Datagram, name: str) -> None:
    interface = datagram.origin.interface
    addresses = {
        zoned(record.address, interface): None
        for record in read(datagram.data)
        if isinstance(record, HostAddress) and record.name == name and record.ttl > 0
    }
    if addresses:
        told.setdefault((interface, datagram.source), {}).update(addresses)


def _by_device(name: str, told: _Told) -> list[tuple[str, ...]]:
    sightings = (
        Sighting(interface, source, name, name, 0, tuple(addresses))
        for (interface, source), addresses in told.items()
    )
    return [
        in_order(address for sighting in group for address in sighting.addresses)
        for group in devices_of(sightings)
    ]

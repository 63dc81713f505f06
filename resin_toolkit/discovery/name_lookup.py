"""Looking up the addresses of a `.local` name by multicast DNS (RFC 6762) on every interface."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from resin_toolkit.device.ip_addresses import sort_addresses, zoned
from resin_toolkit.discovery.interfaces import LocalNetworks
from resin_toolkit.discovery.messages import RecordType, ip_address, query, question, read_answers
from resin_toolkit.discovery.network import Network
from resin_toolkit.discovery.responders import Sighting, group_by_device
from resin_toolkit.discovery.sockets import Datagram

QUERY_TIMES = (0.0, 0.3, 1.0, 2.0)
"""Seconds after the start. A query or its answer may be lost, on Wi-Fi often."""
_POLL_INTERVAL = 0.1
"""Seconds between two calls of `stop`."""
_MORE_ADDRESSES = 0.03
"""Seconds to wait for further addresses after the first."""

_Answers = dict[tuple[str, str], dict[str, bool]]
"""Addresses and whether they are on the link, by the interface and the sender that gave them."""


def resolve(
    name: str,
    *,
    within: float,
    stop: Callable[[], bool] = lambda: False,
    enough: Callable[[list[tuple[str, ...]]], bool] = lambda _answers: True,
    longer: float = 0.0,
) -> list[tuple[str, ...]]:
    """Look up `name` for at most `within` seconds: the IP addresses of each device that answers.

    The preferred address comes first; a link-local IPv6 address has its zone. Answers count as one device
    only if their addresses show it. Addresses with a TTL of 0 are left out. Ends early, without a result,
    once `stop` returns True. While `enough` rejects the answers so far, further ones are awaited, for
    `longer` seconds in all if that is more than `within`.
    """
    try:
        message = query(question(f"{name}.", RecordType.A), question(f"{name}.", RecordType.AAAA))
    except ValueError:
        return []
    with Network() as network:
        started = time.monotonic()
        deadline, last = started + within, started + max(within, longer)
        pending = [started + seconds for seconds in QUERY_TIMES if started + seconds < last]
        answers: _Answers = {}
        complete_at = last
        while (now := time.monotonic()) < (last if answers else deadline) and (answers or not stop()):
            if pending and now >= pending[0]:
                pending.pop(0)
                network.refresh()
                network.send(message)
            poll = _POLL_INTERVAL if not answers else _MORE_ADDRESSES
            for datagram in network.receive(min(last if answers else deadline, now + poll, *pending[:1])):
                _add_answer(answers, datagram, f"{name}.".lower(), network.local)
            if answers:
                complete_at = min(complete_at, time.monotonic() + _MORE_ADDRESSES)
                if time.monotonic() >= complete_at and enough(_addresses_by_device(name, answers)):
                    break
    return _addresses_by_device(name, answers)


def _add_answer(answers: _Answers, datagram: Datagram, name: str, local: LocalNetworks) -> None:
    from zeroconf import DNSAddress

    interface = datagram.origin.interface
    addresses = {
        zoned(address, interface): local.is_on_link(interface, address)
        for record in read_answers(datagram.data)
        if isinstance(record, DNSAddress) and record.key == name and record.ttl
        if (address := ip_address(record)) and local.may_be_device(address)
    }
    if addresses:
        answers.setdefault((interface, datagram.source), {}).update(addresses)


def _addresses_by_device(name: str, answers: _Answers) -> list[tuple[str, ...]]:
    sightings = (
        Sighting(interface, source, name, name, 0, tuple(addresses), _off_link(addresses))
        for (interface, source), addresses in answers.items()
    )
    return [
        sort_addresses(
            (address for sighting in group for address in sighting.addresses),
            off_link=frozenset(address for sighting in group for address in sighting.off_link),
        )
        for group in group_by_device(sightings)
    ]


def _off_link(addresses: Mapping[str, bool]) -> frozenset[str]:
    return frozenset(address for address, is_on_link in addresses.items() if not is_on_link)

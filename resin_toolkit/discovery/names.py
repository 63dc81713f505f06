"""The addresses of a `.local` name, asked for by multicast DNS (RFC 6762) on every interface."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable

from resin_toolkit.discovery.links import Datagram
from resin_toolkit.discovery.messages import HostAddress, Kind, Question, questions, read
from resin_toolkit.discovery.network import Network

ASKED_AT = (0.0, 0.3, 1.0, 2.0)
"""Seconds after the start; a question or its answer may be lost, on Wi-Fi more often than not."""
_LOOKED_UP_EVERY = 0.1
"""Seconds between two questions of whether it is enough."""
_STRAGGLERS = 0.03
"""Seconds that other addresses of the name are waited for after the first."""


def resolve(name: str, *, within: float, enough: Callable[[], bool] = lambda: False) -> tuple[str, ...]:
    """The IP addresses of `name`, those to be tried first in front; empty if nobody tells one within seconds.

    Ends early, with nothing, once `enough` says so. A link-local IPv6 address has its zone. An address that
    the name lost (time to live 0) is left out.
    """
    try:
        message = questions(Question(f"{name}.", Kind.A), Question(f"{name}.", Kind.AAAA))
    except ValueError:
        return ()
    with Network() as network:
        started = time.monotonic()
        deadline = started + within
        pending = [started + seconds for seconds in ASKED_AT if seconds < within]
        found: dict[str, None] = {}
        while (now := time.monotonic()) < deadline and (found or not enough()):
            if pending and now >= pending[0] and not found:
                pending.pop(0)
                network.refresh()
                network.ask(message)
            until = deadline if found or not pending else min(deadline, pending[0])
            for datagram in network.wait(min(until, now + _LOOKED_UP_EVERY)):
                found.update(dict.fromkeys(_addresses(datagram, f"{name}.".lower())))
            if found:
                deadline = min(deadline, time.monotonic() + _STRAGGLERS)
                pending = []
    return in_order(found)


def _addresses(datagram: Datagram, name: str) -> list[str]:
    return [
        zoned(record.address, datagram.origin.interface)
        for record in read(datagram.data)
        if isinstance(record, HostAddress) and record.name == name and record.ttl > 0
    ]


def zoned(address: str, interface: str) -> str:
    """`address` as it is connected to: a link-local IPv6 one through the interface that it was told on."""
    place = ipaddress.ip_address(address)
    return f"{address}%{interface}" if place.version == 6 and place.is_link_local else address


def in_order(addresses: Iterable[str]) -> tuple[str, ...]:
    """IPv4 first, link-local IPv6 last: the order in which they are tried."""
    return tuple(sorted(dict.fromkeys(addresses), key=_rank))


def _rank(address: str) -> tuple[bool, bool, str]:
    place = ipaddress.ip_address(address.partition("%")[0])
    return place.is_link_local, place.version == 6, address

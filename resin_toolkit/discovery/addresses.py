"""IP addresses as they are connected to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


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

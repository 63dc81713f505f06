"""The order and the zones of IP addresses that are connected to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


def zoned(address: str, interface: str) -> str:
    """`address`, with `interface` as its zone if it is a link-local IPv6 address."""
    ip = ipaddress.ip_address(address)
    return f"{address}%{interface}" if ip.version == 6 and ip.is_link_local else address


def sort_addresses(addresses: Iterable[str]) -> tuple[str, ...]:
    """The distinct addresses in the order to try them: IPv4 first, link-local addresses last."""
    return tuple(sorted(dict.fromkeys(addresses), key=_rank))


def _rank(address: str) -> tuple[bool, bool, str]:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return ip.is_link_local, ip.version == 6, address

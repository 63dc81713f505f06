"""IP addresses: recognizing, writing and sorting them."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable

_RESERVED = ipaddress.ip_network("240.0.0.0/4")
"""Holds 255.255.255.255 too."""


def is_ip(host: str) -> bool:
    """Whether `host` is an IPv4 or IPv6 address; an IPv6 address may have a zone."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def url_host(host: str) -> str:
    """`host` as written before `:PORT`: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def zoned(address: str, interface: str) -> str:
    """`address`, with `interface` as its zone if it is a link-local IPv6 address."""
    ip = ipaddress.ip_address(address)
    return f"{address}%{interface}" if ip.version == 6 and ip.is_link_local else address


def sort_addresses(addresses: Iterable[str], *, off_link: Collection[str] = ()) -> tuple[str, ...]:
    """The distinct addresses in the order to try them.

    IPv4 first, link-local addresses next, and those that are `off_link` last.
    """

    def rank(address: str) -> tuple[bool, bool, bool, str]:
        ip = ipaddress.ip_address(address.partition("%")[0])
        return address in off_link, ip.is_link_local, ip.version == 6, address

    return tuple(sorted(dict.fromkeys(addresses), key=rank))


def is_unicast(address: str) -> bool:
    """Whether an address without a zone can be that of another machine."""
    ip = ipaddress.ip_address(address)
    if ip.version == 6 and ip.ipv4_mapped is not None:
        return False
    return not (ip.is_multicast or ip.is_unspecified or ip.is_loopback or ip in _RESERVED)

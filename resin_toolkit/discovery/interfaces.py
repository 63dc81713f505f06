"""The network interfaces of this machine, and the addresses that queries are sent from."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from resin_toolkit.device.ip_addresses import is_unicast


@dataclass(frozen=True)
class LocalAddress:
    """An address to send queries from: each IPv4 address of an interface, and one for all of its IPv6."""

    interface: str
    index: int
    address: str
    """Without a zone. For IPv6 the link-local address, if there is one."""
    networks: tuple[str, ...]
    """The directly connected networks of the same family: `192.168.1.0/24`."""

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.address

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if self.is_ipv6 else socket.AF_INET

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.address).is_loopback

    def reaches(self, address: str) -> bool:
        """Whether `address`, without a zone, is on the local link (RFC 6762 section 11)."""
        ip = ipaddress.ip_address(address)
        return ip.is_link_local or any(ip in ipaddress.ip_network(network) for network in self.networks)


def local_addresses() -> tuple[LocalAddress, ...]:
    """The addresses that queries can be sent from now, those of loopback last."""
    import ifaddr

    found: list[LocalAddress] = []
    for adapter in ifaddr.get_adapters():
        if adapter.index is None:
            continue
        # An alias (`eth0:1`) belongs to the interface before the colon.
        name = str(adapter.name).partition(":")[0]
        addresses = [
            ipaddress.ip_interface(f"{ip.ip if ip.is_IPv4 else ip.ip[0]}/{ip.network_prefix}")
            for ip in adapter.ips
        ]
        found += _of_interface(name, adapter.index, addresses)
    return tuple(sorted(found, key=lambda local: (local.is_loopback, local.index, local.is_ipv6)))


@dataclass(frozen=True)
class LocalNetworks:
    """What the addresses in an answer are compared with."""

    own: frozenset[str] = frozenset()
    """All addresses of this machine, and the broadcast addresses of its networks, without zones."""
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The directly connected networks of each interface."""

    def may_be_device(self, address: str) -> bool:
        """Whether `address`, without a zone, can be that of another machine."""
        return is_unicast(address) and address not in self.own

    def is_on_link(self, interface: str, address: str) -> bool:
        """Whether `address`, without a zone, is on a network that is directly connected to the interface."""
        ip = ipaddress.ip_address(address)
        networks = self.networks.get(interface, ())
        return ip.is_link_local or any(ip in ipaddress.ip_network(network) for network in networks)


def local_networks() -> LocalNetworks:
    """The addresses and networks that this machine has now."""
    import ifaddr

    own: set[str] = set()
    networks: dict[str, tuple[str, ...]] = {}
    for adapter in ifaddr.get_adapters():
        name = str(adapter.name).partition(":")[0]
        for ip in adapter.ips:
            address = ipaddress.ip_interface(f"{ip.ip if ip.is_IPv4 else ip.ip[0]}/{ip.network_prefix}")
            own.add(str(address.ip))
            networks[name] = (*networks.get(name, ()), str(address.network))
            if address.version == 4 and address.network.prefixlen < 31:
                own.add(str(address.network.broadcast_address))
    return LocalNetworks(frozenset(own), networks)


def _of_interface(
    name: str, index: int, addresses: list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]
) -> list[LocalAddress]:
    networks = {
        version: tuple(dict.fromkeys(str(a.network) for a in addresses if a.version == version))
        for version in (4, 6)
    }
    chosen = [str(a.ip) for a in addresses if a.version == 4]
    ipv6 = sorted((a for a in addresses if a.version == 6), key=lambda a: not a.is_link_local)
    chosen += [str(a.ip) for a in ipv6[:1]]
    return [LocalAddress(name, index, address, networks[6 if ":" in address else 4]) for address in chosen]

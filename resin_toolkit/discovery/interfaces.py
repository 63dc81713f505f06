"""The network interfaces of this machine, and the addresses that a question can be asked from."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class LocalAddress:
    """An address of this machine to ask from: one for each IPv4 address, one for IPv6, on each interface."""

    interface: str
    index: int
    address: str
    """Without a zone; of IPv6 the link-local one, where there is one."""
    networks: tuple[str, ...]
    """What is directly connected there, of the same family: `192.168.1.0/24`."""

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
        """Whether `address`, without a zone, is a neighbour by its network (RFC 6762 section 11)."""
        place = ipaddress.ip_address(address)
        return place.is_link_local or any(place in ipaddress.ip_network(network) for network in self.networks)


def local_addresses() -> tuple[LocalAddress, ...]:
    """Where questions can be asked from just now, the loopback interface last."""
    import ifaddr

    found: list[LocalAddress] = []
    for adapter in ifaddr.get_adapters():
        if adapter.index is None:
            continue
        # An alias (`eth0:1`) is the interface that it was given to.
        name = str(adapter.name).partition(":")[0]
        addresses = [
            ipaddress.ip_interface(f"{ip.ip if ip.is_IPv4 else ip.ip[0]}/{ip.network_prefix}")
            for ip in adapter.ips
        ]
        found += _of_interface(name, adapter.index, addresses)
    return tuple(sorted(found, key=lambda origin: (origin.is_loopback, origin.index, origin.is_ipv6)))


def _of_interface(
    name: str, index: int, addresses: list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]
) -> list[LocalAddress]:
    networks = {
        version: tuple(dict.fromkeys(str(a.network) for a in addresses if a.version == version))
        for version in (4, 6)
    }
    asking = [str(a.ip) for a in addresses if a.version == 4]
    sixth = sorted((a for a in addresses if a.version == 6), key=lambda a: not a.is_link_local)
    asking += [str(a.ip) for a in sixth[:1]]
    return [LocalAddress(name, index, address, networks[6 if ":" in address else 4]) for address in asking]

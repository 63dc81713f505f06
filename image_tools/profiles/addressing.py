"""How an interface gets its addresses: the `[ipv4]` and `[ipv6]` of a keyfile (nm-settings-keyfile)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resin_toolkit.errors import BadValue

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

    Address = IPv4Address | IPv6Address
    Interface = IPv4Interface | IPv6Interface

HIGHEST_METRIC = 2**32 - 1
_ADDRESS_AND_PREFIX = re.compile(r"([^/%\s]+)/(\d{1,3})", re.ASCII)
_BITS = {4: 32, 6: 128}


@dataclass(frozen=True)
class Addressing:
    """Where addresses come from: the network (DHCP, router advertisements) unless some are given.

    `static` are texts `IP/PREFIX`, of both families in any order; `gateway` has one of a family at most. A
    family without a static address stays automatic. `never_default` keeps the connection from becoming the
    way to everywhere; `route_metric` weighs it against others, the lowest wins. `shared` gives addresses out
    (DHCP server, NAT), to which one static IPv4 address may be added. Raises BadValue for what cannot work.
    """

    static: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    never_default: bool = False
    route_metric: int | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        if self.route_metric is not None and not 0 <= self.route_metric <= HIGHEST_METRIC:
            raise BadValue(
                f"{self.route_metric} is no metric of a route.", hint=f"It goes from 0 to {HIGHEST_METRIC}."
            )
        if self.gateway and self.never_default:
            raise BadValue(
                "A gateway is of no use to a connection that is never the default.",
                hint="Leave out the gateway, or let the connection be the default.",
            )
        if not (self.static or self.gateway or self.dns):
            return
        if self.shared:
            _check_shared(self)
        interfaces = [interface_of(text) for text in self.static]
        _check_once(interfaces)
        _check_gateways([address_of(text, "gateway") for text in self.gateway], interfaces)
        for text in self.dns:
            address_of(text, "DNS server")

    def sections(self) -> dict[str, dict[str, str]]:
        """`ipv4` and `ipv6`, for a keyfile."""
        if self.shared:
            # The device gives no IPv6 addresses out: "shared" is only in newer NetworkManagers.
            return {"ipv4": self._family(4, "shared"), "ipv6": {"method": "ignore"}}
        return {"ipv4": self._family(4, "auto"), "ipv6": self._family(6, "auto")}

    def _family(self, version: int, otherwise: str) -> dict[str, str]:
        interfaces = [i for i in map(interface_of, self.static) if i.version == version]
        gateways = [g for g in (address_of(text, "gateway") for text in self.gateway) if g.version == version]
        servers = [s for s in (address_of(text, "DNS server") for text in self.dns) if s.version == version]
        keys = {f"address{number}": str(i) for number, i in enumerate(interfaces, 1)}
        if gateways:
            keys["address1"] += f",{gateways[0]}"
        if servers:
            keys["dns"] = "".join(f"{server};" for server in servers)
        keys["method"] = "manual" if interfaces and otherwise == "auto" else otherwise
        if self.never_default:
            keys["never-default"] = "true"
        if self.route_metric is not None:
            keys["route-metric"] = str(self.route_metric)
        return keys


AUTOMATIC = Addressing()
SHARED = Addressing(shared=True)


def interface_of(text: str) -> Interface:
    """The address and network of a text `IP/PREFIX`. Raises BadValue unless a host can have that address."""
    import ipaddress

    match = _ADDRESS_AND_PREFIX.fullmatch(text)
    if match is None:
        raise BadValue(
            f'"{text}" is no address with a prefix.',
            hint="Write IP/PREFIX: 192.168.1.20/24 (24 is 255.255.255.0), or 2001:db8::20/64.",
        )
    address = address_of(match[1], "address")
    prefix, bits = int(match[2]), _BITS[address.version]
    if not 1 <= prefix <= bits:
        raise BadValue(
            f"{text} has a prefix out of range.", hint=f"A prefix of IPv{address.version} is 1 to {bits}."
        )
    interface = ipaddress.ip_interface(f"{address}/{prefix}")
    if address.is_loopback:
        raise BadValue(f"{text} is an address that every computer has for itself.", hint="Give another one.")
    _check_host(address, interface)
    return interface


def address_of(text: str, role: str) -> Address:
    """The IP address that `text` is; `role` says what for. Raises BadValue for what no one host can have."""
    import ipaddress

    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or "%" in text:
        raise BadValue(f'"{text}" is no IP address (the {role}).', hint="Write 192.168.1.20 or 2001:db8::20.")
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        raise BadValue(f"{text} is no host's address (the {role}).", hint="Give the address of one host.")
    return address


def _check_host(address: Address, interface: Interface) -> None:
    """Refuse the first address of a network, and for IPv4 the last (RFC 3021 and 6164 except the longest)."""
    network = interface.network
    if network.prefixlen >= network.max_prefixlen - 1:
        return
    if address == network.network_address:
        raise BadValue(f"{address} is the network {network} itself.", hint="Give an address inside of it.")
    if address.version == 4 and address == network.broadcast_address:
        raise BadValue(
            f"{address} is the broadcast address of {network}.", hint="Give an address inside of it."
        )


def _check_once(interfaces: Sequence[Interface]) -> None:
    seen: set[Address] = set()
    for interface in interfaces:
        if interface.ip in seen:
            raise BadValue(f"The address {interface.ip} is given twice.", hint="Give it once.")
        seen.add(interface.ip)


def _check_gateways(gateways: Sequence[Address], interfaces: Sequence[Interface]) -> None:
    versions = [gateway.version for gateway in gateways]
    if len(set(versions)) < len(versions):
        raise BadValue(
            "There are two gateways of the same family.", hint="Give one for IPv4 and one for IPv6 at most."
        )
    for gateway in gateways:
        _check_gateway(gateway, [i for i in interfaces if i.version == gateway.version])


def _check_gateway(gateway: Address, interfaces: Sequence[Interface]) -> None:
    if not interfaces:
        raise BadValue(
            f"The gateway {gateway} needs a static address beside it.",
            hint=f"Give an address of IPv{gateway.version} in its network, too.",
        )
    if any(gateway == interface.ip for interface in interfaces):
        raise BadValue(
            f"The gateway {gateway} is the device's own address.", hint="Give the address of the router."
        )
    around = next((i for i in interfaces if gateway in i.network), None)
    if around is not None:
        _check_host(gateway, around)
    elif not (gateway.version == 6 and gateway.is_link_local):  # on every link, so in reach
        networks = ", ".join(str(i.network) for i in interfaces)
        raise BadValue(
            f"The gateway {gateway} is not in {networks}.",
            hint="Check the address and the prefix; a router is reached in the device's own network.",
        )


def _check_shared(addressing: Addressing) -> None:
    if addressing.gateway or addressing.dns:
        raise BadValue(
            "A shared connection has no gateway and no DNS servers: the device is both.",
            hint="Leave them out, or do not share the connection.",
        )
    if len(addressing.static) > 1 or any(":" in text for text in addressing.static):
        raise BadValue(
            "A shared connection has one static IPv4 address at most.", hint="For example 10.42.0.1/24."
        )

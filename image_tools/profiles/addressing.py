"""IP configuration of a connection: `[ipv4]` and `[ipv6]` of a keyfile (nm-settings-keyfile(5))."""

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
    """The IP configuration: automatic (DHCP, router advertisements) unless addresses are given.

    `static` are IPv4 and IPv6 texts `ADDRESS/PREFIX`; a family without one stays automatic. `gateway` has at
    most one address of each family. With `never_default` the connection never becomes the default route; of
    several, the one with the lowest `route_metric` does. `shared` runs a DHCP server and NAT, optionally with
    one static IPv4 address. Raises BadValue for an invalid combination.
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
                f"{self.route_metric} is not a valid route metric.", hint=f"Use 0 to {HIGHEST_METRIC}."
            )
        if self.gateway and self.never_default:
            raise BadValue(
                "A gateway has no effect on a connection that is never the default route.",
                hint="Remove the gateway or --never-default.",
            )
        if not (self.static or self.gateway or self.dns):
            return
        if self.shared:
            _check_shared(self)
        interfaces = [parse_interface(text) for text in self.static]
        _check_duplicates(interfaces)
        _check_gateways([parse_address(text, "gateway address") for text in self.gateway], interfaces)
        for text in self.dns:
            parse_address(text, "DNS server address")

    def sections(self) -> dict[str, dict[str, str]]:
        """Return the sections `ipv4` and `ipv6` of a keyfile."""
        if self.shared:
            # Only newer releases of NetworkManager support "shared" for IPv6.
            return {"ipv4": self._family(4, "shared"), "ipv6": {"method": "ignore"}}
        return {"ipv4": self._family(4, "auto"), "ipv6": self._family(6, "auto")}

    def _family(self, version: int, default_method: str) -> dict[str, str]:
        interfaces = [i for i in map(parse_interface, self.static) if i.version == version]
        gateways = [
            g
            for g in (parse_address(text, "gateway address") for text in self.gateway)
            if g.version == version
        ]
        servers = [
            s
            for s in (parse_address(text, "DNS server address") for text in self.dns)
            if s.version == version
        ]
        keys = {f"address{number}": str(i) for number, i in enumerate(interfaces, 1)}
        if gateways:
            keys["address1"] += f",{gateways[0]}"
        if servers:
            keys["dns"] = "".join(f"{server};" for server in servers)
        keys["method"] = "manual" if interfaces and default_method == "auto" else default_method
        if self.never_default:
            keys["never-default"] = "true"
        if self.route_metric is not None:
            keys["route-metric"] = str(self.route_metric)
        return keys


AUTOMATIC = Addressing()
SHARED = Addressing(shared=True)


def parse_interface(text: str) -> Interface:
    """Parse a text `ADDRESS/PREFIX`. Raises BadValue unless it is a valid address of a host."""
    import ipaddress

    match = _ADDRESS_AND_PREFIX.fullmatch(text)
    if match is None:
        raise BadValue(
            f'"{text}" is not an address with a prefix length.',
            hint="Use ADDRESS/PREFIX, such as 192.168.1.20/24 (24 is 255.255.255.0) or 2001:db8::20/64.",
        )
    address = parse_address(match[1], "IP address")
    prefix, bits = int(match[2]), _BITS[address.version]
    if not 1 <= prefix <= bits:
        raise BadValue(
            f"The prefix length of {text} is out of range.", hint=f"Use 1 to {bits} for IPv{address.version}."
        )
    interface = ipaddress.ip_interface(f"{address}/{prefix}")
    if address.is_loopback:
        raise BadValue(f"{text} is a loopback address.", hint="Use another address.")
    _check_host(address, interface)
    return interface


def parse_address(text: str, role: str) -> Address:
    """Parse the IP address of a host. `role` names its use in errors. Raises BadValue."""
    import ipaddress

    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or "%" in text:
        raise BadValue(f'"{text}" is not a valid {role}.', hint="Use the form 192.168.1.20 or 2001:db8::20.")
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        raise BadValue(f"{text} is not a usable {role}.", hint="Use the address of one host.")
    return address


def _check_host(address: Address, interface: Interface) -> None:
    """Reject a network address and an IPv4 broadcast address, except in /31 and /127 (RFC 3021 and 6164)."""
    network = interface.network
    if network.prefixlen >= network.max_prefixlen - 1:
        return
    if address == network.network_address:
        raise BadValue(
            f"{address} is the address of the network {network}.", hint="Use an address of a host in it."
        )
    if address.version == 4 and address == network.broadcast_address:
        raise BadValue(
            f"{address} is the broadcast address of {network}.", hint="Use an address of a host in it."
        )


def _check_duplicates(interfaces: Sequence[Interface]) -> None:
    seen: set[Address] = set()
    for interface in interfaces:
        if interface.ip in seen:
            raise BadValue(f"The address {interface.ip} is given twice.", hint="Remove one of them.")
        seen.add(interface.ip)


def _check_gateways(gateways: Sequence[Address], interfaces: Sequence[Interface]) -> None:
    versions = [gateway.version for gateway in gateways]
    if len(set(versions)) < len(versions):
        raise BadValue(
            "There are two gateways of the same family.", hint="Use at most one for IPv4 and one for IPv6."
        )
    for gateway in gateways:
        _check_gateway(gateway, [i for i in interfaces if i.version == gateway.version])


def _check_gateway(gateway: Address, interfaces: Sequence[Interface]) -> None:
    if not interfaces:
        raise BadValue(
            f"The gateway {gateway} requires a static IPv{gateway.version} address.",
            hint="Add --static ADDRESS/PREFIX in the network of the gateway.",
        )
    if any(gateway == interface.ip for interface in interfaces):
        raise BadValue(
            f"The gateway {gateway} is the device's own address.", hint="Use the address of the router."
        )
    own_network = next((i for i in interfaces if gateway in i.network), None)
    if own_network is not None:
        _check_host(gateway, own_network)
    elif not (gateway.version == 6 and gateway.is_link_local):  # on-link in every network
        networks = ", ".join(str(i.network) for i in interfaces)
        raise BadValue(
            f"The gateway {gateway} is not in {networks}.",
            hint="Check the address and the prefix length; a gateway must be in the network of the device.",
        )


def _check_shared(addressing: Addressing) -> None:
    if addressing.gateway or addressing.dns:
        raise BadValue(
            "A shared connection cannot have a gateway or DNS servers, because the device is both.",
            hint="Remove them or --shared.",
        )
    if len(addressing.static) > 1 or any(":" in text for text in addressing.static):
        raise BadValue(
            "A shared connection has at most one static IPv4 address.", hint="Use one, such as 10.42.0.1/24."
        )

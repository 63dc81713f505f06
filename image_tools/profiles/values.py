"""Check values in keyfiles against the types of their keys.

The types: `text`, `secret` and `any` (anything), `bool`, `int:LEAST..MOST`, `a|b|c` (one of these), `mac`,
`mac:a|b` (a hardware address or one of these), `uuid`, `ip4`, `ip6`, `address4` and `route4` (with `6`, too),
`cidr`, `bytes`, `ssid`, `file` (a path, a URI, or the certificate itself), `wgkey` (32 bytes in base64),
`endpoint` (host and port), `keepalive`, `list`, and `list:TYPE` for a list separated by semicolons.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Interface, IPv6Interface

_MAC = r"(?a)[0-9A-Fa-f]{2}([:-])([0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
_MAC_BYTES = r"(?a)(\d{1,3};){6}"
_UUID = r"(?a)[0-9a-fA-F]{40}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_INTEGER = r"(?a)[+-]?(0[xX][0-9A-Fa-f]+|\d+)"
_ENDPOINT = r"(?a)(\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]]+):(\d{1,5})"
_WGKEY = r"(?a)[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="
_ADDRESS_PARTS = r"\s*[,;/\s]\s*"


def expected_value(value_type: str, text: str) -> str | None:
    """Return what a value must be, such as "a number from 1 to 5", or None if it is valid.

    The text does not contain the value, which may be secret.
    """
    name, _, detail = value_type.partition(":")
    if name == "list":
        return _list_problem(detail, text)
    if "|" in value_type and name != "mac":
        return None if text in value_type.split("|") else "one of " + ", ".join(value_type.split("|"))
    if name == "int":
        return _integer_problem(detail, text)
    if name == "mac":
        return _mac_problem(detail, text)
    check = _CHECKS.get(name)
    return None if check is None else check(text)


def is_uuid(text: str) -> bool:
    """Whether it is a UUID, or the 40 hex digits that very old releases generated."""
    return re.fullmatch(_UUID, text) is not None


def is_wireguard_key(text: str) -> bool:
    """Whether it is 32 bytes in base64."""
    return re.fullmatch(_WGKEY, text) is not None


def interface(text: str, version: int) -> IPv4Interface | IPv6Interface | None:
    """Parse the address and prefix length at the start of `text`; return None if invalid.

    The default prefix length of NetworkManager is 24 or 64.
    """
    import ipaddress

    address, prefix = _split_address(text)[:2]
    try:
        host = (ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(address)
        return ipaddress.ip_interface(f"{host}/{prefix or (24 if version == 4 else 64)}")
    except ValueError:
        return None


def has_prefix(text: str) -> bool:
    """Whether an address has a prefix length."""
    return bool(_split_address(text)[1])


def gateway_of(text: str) -> str:
    """Return the gateway in the value of an address (`address1`), or an empty string."""
    return _split_address(text)[2]


def split_list(text: str) -> list[str]:
    """Split a list at semicolons, or commas, which some releases accept."""
    return [part for part in re.split(r"\s*[;,]\s*", text.strip()) if part]


def is_ip(text: str, version: int) -> bool:
    """Whether it is an address of IP version 4 or 6, without a prefix length."""
    import ipaddress

    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _split_address(text: str) -> tuple[str, str, str]:
    """Split `ADDRESS/PREFIX,GATEWAY`, or the older form `ADDRESS;PREFIX;GATEWAY;`."""
    parts = [*re.split(_ADDRESS_PARTS, text.strip()), "", "", ""]
    first = text.strip()[len(parts[0]) :].lstrip()[:1]
    # "1.2.3.4,1.2.3.1" has a gateway but no prefix length.
    if first == "," and ("." in parts[1] or ":" in parts[1]):
        return parts[0], "", parts[1]
    return parts[0], parts[1], parts[2]


def _list_problem(value_type: str, text: str) -> str | None:
    if not value_type or value_type == "text":
        return None
    parts = split_list(text)
    if value_type.startswith("address"):
        return expected_value(value_type, text)
    expected = next((found for part in parts if (found := expected_value(value_type, part))), None)
    return None if expected is None else f"a list, and each item {expected}"


def _integer_problem(bounds: str, text: str) -> str | None:
    least, most = map(int, bounds.split(".."))
    stripped = text.strip()
    is_plain = re.fullmatch(_INTEGER, stripped) and len(stripped) < 25
    value = int(stripped, 16 if "x" in stripped.lower() else 10) if is_plain else None
    return None if value is not None and least <= value <= most else f"a number from {least} to {most}"


def _mac_problem(words: str, text: str) -> str | None:
    if re.fullmatch(_MAC, text) or (words and text in words.split("|")):
        return None
    if re.fullmatch(_MAC_BYTES, text) and all(int(part) < 256 for part in split_list(text)):
        return None
    others = f", or one of {', '.join(words.split('|'))}" if words else ""
    return f"a hardware address such as 00:22:68:12:79:A2{others}"


def _bool_problem(text: str) -> str | None:
    return None if text.strip() in ("true", "false", "1", "0") else "true or false (in lower case)"


def _dns_problem(version: int) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        # Later releases take DNS over TLS: 9.9.9.9#dns.quad9.net, dns+tls://9.9.9.9.
        if not text or "://" in text or is_ip(text.partition("#")[0], version):
            return None
        return f"an IPv{version} address without a prefix"

    return check


def _address_problem(version: int) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        gateway = gateway_of(text)
        if interface(text, version) is None or (gateway and not is_ip(gateway, version)):
            return f"ADDRESS/PREFIX,GATEWAY for IPv{version} (prefix up to {_address_bits(version)})"
        return None

    return check


def _route_problem(version: int) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        destination, _, hop = _split_address(text)
        metric = [*re.split(_ADDRESS_PARTS, text.strip()), "", "", "", ""][3]
        is_hop = not hop or hop.isdecimal() or is_ip(hop, version)
        if interface(text, version) is None or not destination or not is_hop:
            return f"NETWORK/PREFIX,GATEWAY,METRIC for IPv{version} (prefix up to {_address_bits(version)})"
        return None if not metric or metric.isdecimal() else "a route with a numeric metric"

    return check


def _cidr_problem(text: str) -> str | None:
    address, _, prefix = text.partition("/")
    version = 6 if ":" in address else 4
    is_right = is_ip(address, version) and (
        not prefix or (prefix.isdecimal() and int(prefix) <= _address_bits(version))
    )
    return None if is_right else "an address with a prefix length, such as 10.0.0.0/24"


def _address_bits(version: int) -> int:
    return 32 if version == 4 else 128


def _file_problem(text: str) -> str | None:
    return None if text.strip() else "the path of a file"


def _endpoint_problem(text: str) -> str | None:
    found = re.fullmatch(_ENDPOINT, text)
    return (
        None
        if found and 0 < int(found.group(2)) < 65536
        else "a host and a port, such as vpn.example.com:51820"
    )


_CHECKS: dict[str, Callable[[str], str | None]] = {
    "bool": _bool_problem,
    "uuid": lambda text: None if is_uuid(text) else "a UUID",
    "ip4": _dns_problem(4),
    "ip6": _dns_problem(6),
    "address4": _address_problem(4),
    "address6": _address_problem(6),
    "route4": _route_problem(4),
    "route6": _route_problem(6),
    "cidr": _cidr_problem,
    "file": _file_problem,
    "wgkey": lambda text: (
        None if is_wireguard_key(text) else "32 bytes in base64, such as the output of `wg genkey`"
    ),
    "endpoint": _endpoint_problem,
    "keepalive": lambda text: None if text == "off" else _integer_problem("0..65535", text),
}

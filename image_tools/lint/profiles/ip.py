"""Lint rules for [ipv4] and [ipv6]: methods, addresses and gateways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from image_tools.lint.findings import Finding
from image_tools.lint.profiles.rules import LintedProfile
from image_tools.profiles.keyfile import KeyfileEntry
from image_tools.profiles.values import gateway_of, has_prefix, interface, is_ip

if TYPE_CHECKING:
    from ipaddress import IPv4Interface, IPv6Interface

    Interface = IPv4Interface | IPv6Interface

_METHODS = {
    4: ("auto", "link-local", "manual", "shared", "disabled"),
    6: ("ignore", "auto", "dhcp", "link-local", "manual", "shared", "disabled"),
}
_ADDRESS = r"(?a)address(es)?\d*"
_NO_ADDRESSES = ("disabled", "ignore", "link-local")
_NO_DNS = {4: ("disabled", "link-local", "shared"), 6: ("disabled", "ignore", "link-local")}


def address_findings(profile: LintedProfile) -> Iterator[Finding]:
    """Check that method, addresses, gateway and DNS servers are consistent."""
    for version in (4, 6):
        section = f"ipv{version}"
        if section in profile.sections:
            addresses = [entry for entry in profile.entries(section) if _is_address(profile, entry)]
            yield from _method_findings(profile, version, addresses)
            yield from _prefix_findings(profile, addresses)
            yield from _gateway_findings(profile, version, addresses)


def _is_address(profile: LintedProfile, entry: KeyfileEntry) -> bool:
    return (
        re.fullmatch(_ADDRESS, entry.key) is not None
        and profile.keyfile.entry(entry.section, entry.key) is entry
    )


def _method_findings(
    profile: LintedProfile, version: int, addresses: list[KeyfileEntry]
) -> Iterator[Finding]:
    section = f"ipv{version}"
    method, line = profile.text(section, "method"), profile.line(section, "method")
    if method not in _METHODS[version]:
        reason = f"[{section}] has {'an invalid' if method else 'no'} method"
        suggestion = "method=disabled" if method == "ignore" else f"one of {', '.join(_METHODS[version])}"
        yield profile.error("profile-ip-method", line, reason, f"Use {suggestion}.")
    elif method == "manual" and not addresses:
        reason = f"[{section}] has method=manual but no address"
        remedy = "Add address1=ADDRESS/PREFIX,GATEWAY, or use method=auto."
        yield profile.error("profile-no-address", line, reason, remedy)
    elif method in _NO_ADDRESSES and addresses:
        reason = f"[{section}] has addresses, which method={method} does not allow"
        yield profile.error("profile-ip-method", addresses[0].line, reason, "Use method=manual.")
    elif method in _NO_DNS[version] and profile.text(section, "dns"):
        reason = f"[{section}] has DNS servers, which method={method} does not allow"
        remedy = "Use method=auto or manual, or remove dns."
        yield profile.error("profile-ip-method", profile.line(section, "dns"), reason, remedy)


def _prefix_findings(profile: LintedProfile, addresses: list[KeyfileEntry]) -> Iterator[Finding]:
    for entry in addresses:
        text = profile.text(entry.section, entry.key)
        if text and not has_prefix(text):
            default = 24 if entry.section == "ipv4" else 64
            reason = f"{entry.key} has no prefix length; NetworkManager uses {default}"
            yield profile.warning("profile-no-prefix", entry.line, reason, f"Write ADDRESS/{default}.")


def _gateway_findings(
    profile: LintedProfile, version: int, addresses: list[KeyfileEntry]
) -> Iterator[Finding]:
    section = f"ipv{version}"
    texts = [profile.text(section, entry.key) for entry in addresses]
    networks = [found for text in texts if (found := interface(text, version)) is not None]
    gateways = [
        (gateway_of(text), entry.line) for text, entry in zip(texts, addresses, strict=True) if networks
    ]
    gateway_key = profile.text(section, "gateway").strip()
    if gateway_key and not addresses:
        line = profile.line(section, "gateway")
        reason = f"[{section}] has a gateway but no address, which NetworkManager does not allow"
        yield profile.error(
            "profile-gateway", line, reason, "Add address1=ADDRESS/PREFIX, or remove gateway."
        )
        return
    for gateway, line in [*gateways, (gateway_key, profile.line(section, "gateway"))]:
        if gateway and is_ip(gateway, version) and not _is_on_link(gateway, networks):
            reason = f"the gateway of [{section}] is outside the network of its address"
            remedy = "Check the gateway and the prefix length."
            yield profile.warning("profile-gateway", line, reason, remedy)


def _is_on_link(gateway: str, networks: list[Interface]) -> bool:
    """Whether a gateway is on-link: link-local for IPv6; with a host prefix (/32, /128) any is accepted."""
    import ipaddress

    address = ipaddress.ip_address(gateway)
    if address.is_unspecified or address.is_link_local:
        return True
    return any(
        address in interface_.network or interface_.network.prefixlen == interface_.network.max_prefixlen
        for interface_ in networks
    )

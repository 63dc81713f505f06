"""The error of a search that found no device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resin_toolkit.errors import DeviceNotFound

if TYPE_CHECKING:
    from resin_toolkit.discovery.interfaces import LocalAddress
    from resin_toolkit.discovery.search import Search

_USUAL_CAUSES = (
    "Usual causes: a production image (it does not announce itself), a device that is still booting or on "
    "another network, Wi-Fi that isolates its clients, or a firewall or VPN that blocks UDP port 5353. "
    "A device's IP address works without discovery: `resin wait ADDRESS`."
)


def no_device_found(search: Search, seconds: float) -> DeviceNotFound:
    """The error that names the searched interfaces and the usual causes."""
    where = describe_interfaces(search.searched)
    failures = search.failures.items()
    failed = {f"{origin.interface}: {why}" for origin, why in failures if not origin.is_loopback}
    if not where:
        why = f" ({', '.join(sorted(failed))})" if failed else ""
        return DeviceNotFound(
            f"No device was found: this machine is not connected to a network{why}.",
            hint="Connect it to the network of the device.",
        )
    unsearched = f" Queries could not be sent on {', '.join(sorted(failed))}." if failed else ""
    return DeviceNotFound(
        f"No device announced itself on {where} within {seconds:g} s.{unsearched}", hint=_USUAL_CAUSES
    )


def describe_interfaces(searched: Sequence[LocalAddress]) -> str:
    """`eth0 (192.168.1.5), wlan0 (10.0.0.7)`, without loopback."""
    addresses: dict[str, list[str]] = {}
    for origin in searched:
        if not origin.is_loopback:
            addresses.setdefault(origin.interface, []).append(origin.address)
    return ", ".join(
        f"{name} ({', '.join(a for a in found if ':' not in a) or found[0]})"
        for name, found in addresses.items()
    )

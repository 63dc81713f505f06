"""The error for a search that found no device: where was searched, and what is usually wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resin_toolkit.errors import DeviceNotFound

if TYPE_CHECKING:
    from resin_toolkit.discovery.interfaces import LocalAddress
    from resin_toolkit.discovery.search import Search

USUALLY_WRONG = (
    "Usually it is a production image (those announce nothing), still starting, or on another network; or "
    "the Wi-Fi keeps its clients apart, or a firewall or VPN holds back UDP port 5353. "
    "An IP address works all the same: `resin wait ADDRESS`."
)


def no_device_found(search: Search, seconds: float) -> DeviceNotFound:
    """The error that says where was searched, and what usually is wrong."""
    where = interfaces_in_words(search.searched)
    failures = search.failures.items()
    failed = {f"{origin.interface}: {why}" for origin, why in failures if not origin.is_loopback}
    if not where:
        why = f" ({', '.join(sorted(failed))})" if failed else ""
        return DeviceNotFound(
            f"No device was found: there is no network to search on{why}.",
            hint="Connect this machine to the network of the device.",
        )
    unsearched = f" No question went out on {', '.join(sorted(failed))}." if failed else ""
    return DeviceNotFound(
        f"No device announces itself on {where} within {seconds:g} s.{unsearched}", hint=USUALLY_WRONG
    )


def interfaces_in_words(searched: Sequence[LocalAddress]) -> str:
    """`eth0 (192.168.1.5), wlan0 (10.0.0.7)`; without loopback, where no device is."""
    addresses: dict[str, list[str]] = {}
    for origin in searched:
        if not origin.is_loopback:
            addresses.setdefault(origin.interface, []).append(origin.address)
    return ", ".join(
        f"{name} ({', '.join(a for a in found if ':' not in a) or found[0]})"
        for name, found in addresses.items()
    )

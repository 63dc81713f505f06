"""Checks of the network: interfaces, and mDNS on each of them."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from resin_toolkit.doctor.findings import DEVICE_COMMANDS, Finding, Status
from resin_toolkit.errors import os_reason

if TYPE_CHECKING:
    from resin_toolkit.discovery.interfaces import LocalAddress
    from resin_toolkit.discovery.sockets import MulticastSocket

_TIMEOUT = 1.0
"""Seconds to wait for a message that this machine sends to itself; it takes less than a millisecond."""


def check_interfaces() -> Finding:
    """Whether this machine is connected to a network."""
    names = list(dict.fromkeys(origin.interface for origin in _origins()))
    if names:
        return Finding(
            "network", DEVICE_COMMANDS, Status.OK, f"Connected to the network on {', '.join(names)}."
        )
    return Finding(
        "network",
        DEVICE_COMMANDS,
        Status.MISSING,
        "No network interface has an address.",
        "Connect a cable, or join the devices' Wi-Fi network.",
    )


def check_mdns() -> Finding:
    """Whether mDNS queries are sent and received on UDP port 5353 of every interface.

    A query is sent to the multicast group, as a scan does. This machine is in the group, so it must receive
    the query too.
    """
    failures: dict[str, str] = {}
    working: list[str] = []
    for origin in _origins():
        reason = _failure_reason(origin)
        if reason is None:
            working.append(origin.interface)
        else:
            failures[origin.interface] = reason
    # IPv4 or IPv6 is enough to find a device.
    blocked = {name: reason for name, reason in failures.items() if name not in working}
    reasons = "; ".join(f"{name}: {reason}" for name, reason in blocked.items())
    if not working:
        return Finding(
            "mdns",
            DEVICE_COMMANDS,
            Status.MISSING,
            f"Devices cannot be found by mDNS ({reasons or 'no network'}).",
            "Allow UDP port 5353 to and from 224.0.0.251 and ff02::fb in the firewall, or use the addresses "
            "of devices.",
        )
    if blocked:
        return Finding(
            "mdns",
            DEVICE_COMMANDS,
            Status.WARNING,
            f"mDNS does not work on all interfaces ({reasons}).",
            "If devices are on that network, allow UDP port 5353 in the firewall there.",
        )
    names = ", ".join(dict.fromkeys(working))
    return Finding("mdns", DEVICE_COMMANDS, Status.OK, f"mDNS works on {names}.")


def _origins() -> list[LocalAddress]:
    from resin_toolkit.discovery.interfaces import local_addresses

    return [origin for origin in local_addresses() if not origin.is_loopback]


def _failure_reason(origin: LocalAddress) -> str | None:
    """Why a query sent from this address is not received; None if it is."""
    from resin_toolkit.discovery.messages import SUBTYPES, RecordType, query, question
    from resin_toolkit.discovery.sockets import MulticastSocket

    message = query(question(SUBTYPES[0], RecordType.PTR))
    try:
        link = MulticastSocket(origin)
    except OSError as error:
        return os_reason(error)
    try:
        if len(link.sockets) < 2:
            return "another program holds UDP port 5353, or the interface does not support multicast"
        link.send(message)
        if link.failure is not None:
            return f"sending failed: {os_reason(link.failure)}"
        return None if _receives(link, message) else "packets to UDP port 5353 are not received"
    finally:
        link.close()


def _receives(link: MulticastSocket, message: bytes) -> bool:
    listening = link.sockets[1]
    deadline = time.monotonic() + _TIMEOUT
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([listening], [], [], left)[0]:
            return False
        datagram = link.receive(listening)
        if datagram is not None and datagram.data == message:
            return True
    return False

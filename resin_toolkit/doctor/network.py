"""Checks of the network: interfaces, and mDNS on each of them."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from resin_toolkit.doctor.findings import DEVICE_VERBS, Finding, Status

if TYPE_CHECKING:
    from resin_toolkit.discovery.interfaces import LocalAddress
    from resin_toolkit.discovery.sockets import MulticastSocket

_PATIENCE = 1.0
"""Seconds for a message to come back to the machine that has sent it; it takes less than a millisecond."""


def check_interfaces() -> Finding:
    """Whether this machine is on a network at all."""
    names = list(dict.fromkeys(origin.interface for origin in _origins()))
    if names:
        return Finding("network", DEVICE_VERBS, Status.OK, f"Connected to the network on {', '.join(names)}.")
    return Finding(
        "network",
        DEVICE_VERBS,
        Status.MISSING,
        "No network interface has an address.",
        "Connect a cable, or join the devices' Wi-Fi network.",
    )


def check_mdns() -> Finding:
    """Whether questions by multicast DNS go out and come in, on every interface, at UDP port 5353.

    A question is sent to the group, as a scan does; this machine is in the group, so it must hear it.
    """
    blocked: dict[str, str] = {}
    heard: list[str] = []
    for origin in _origins():
        reason = _why_deaf(origin)
        if reason is None:
            heard.append(origin.interface)
        else:
            blocked[origin.interface] = reason
    # One of the two families is enough to find a device.
    silent = {name: reason for name, reason in blocked.items() if name not in heard}
    told = "; ".join(f"{name}: {reason}" for name, reason in silent.items())
    verbs = DEVICE_VERBS
    if not heard:
        return Finding(
            "mdns",
            verbs,
            Status.MISSING,
            f"Devices cannot be found by mDNS ({told or 'no network'}).",
            "Allow UDP port 5353 to and from 224.0.0.251 and ff02::fb in the firewall, or use the addresses "
            "of devices.",
        )
    if silent:
        return Finding(
            "mdns",
            verbs,
            Status.WARNING,
            f"mDNS does not work on all interfaces ({told}).",
            "If devices are on that network, allow UDP port 5353 in the firewall there.",
        )
    return Finding("mdns", verbs, Status.OK, f"mDNS works on {', '.join(dict.fromkeys(heard))}.")


def _origins() -> list[LocalAddress]:
    from resin_toolkit.discovery.interfaces import local_addresses

    return [origin for origin in local_addresses() if not origin.is_loopback]


def _why_deaf(origin: LocalAddress) -> str | None:
    """Why a question that is sent from there does not come back, None where it does."""
    from resin_toolkit.discovery.messages import Question, RecordType, questions
    from resin_toolkit.discovery.sockets import MulticastSocket

    message = questions(Question("_resin-device._sub._ssh._tcp.local.", RecordType.PTR))
    try:
        link = MulticastSocket(origin)
    except OSError as error:
        return _reason(error)
    try:
        if len(link.sockets) < 2:
            return "another program holds UDP port 5353, or the interface does not support multicast"
        link.ask(message)
        if link.failure is not None:
            return f"sending failed: {_reason(link.failure)}"
        return None if _comes_back(link, message) else "packets to UDP port 5353 are not received"
    finally:
        link.close()


def _comes_back(link: MulticastSocket, message: bytes) -> bool:
    listening = link.sockets[1]
    deadline = time.monotonic() + _PATIENCE
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([listening], [], [], left)[0]:
            return False
        datagram = link.receive(listening)
        if datagram is not None and datagram.data == message:
            return True
    return False


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

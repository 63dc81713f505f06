"""The multicast sockets of one local address.

Each query is sent twice: from an ephemeral port, which responders answer directly and without delay (RFC 6762
section 6.7), and from port 5353, which they answer by multicast. The first works where another program holds
port 5353 exclusively, and zeroconf cannot open its sockets. The second passes firewalls that only allow mDNS,
and receives announcements that nobody queried for: devices that appear and leave.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from dataclasses import dataclass

from resin_toolkit.discovery.interfaces import LocalAddress

PORT = 5353
GROUP_IPV4 = "224.0.0.251"
GROUP_IPV6 = "ff02::fb"
_ANCILLARY_SIZE = 64
_MAX_MESSAGE = 9000
"""Bytes (RFC 6762 section 17)."""
_IP_PKTINFO = 8
"""From linux/in.h: delivers the index of the receiving interface with each datagram (ip(7))."""


@dataclass(frozen=True)
class Datagram:
    """A received message."""

    origin: LocalAddress
    source: str
    """The IP address of the sender, without a zone."""
    data: bytes


class MulticastSocket:
    """Sends queries to the mDNS group and receives answers, until `close`.

    Raises OSError if the address no longer belongs to this machine.
    """

    def __init__(self, origin: LocalAddress) -> None:
        self.origin = origin
        self.failure: OSError | None = None
        """Why the last query could not be sent."""
        self._ephemeral = _new_socket(origin)
        self._shared: socket.socket | None = None
        try:
            self._ephemeral.bind(("::", 0) if origin.is_ipv6 else (origin.address, 0))
            self._shared = _new_shared_socket(origin)
        except OSError:
            self.close()
            raise

    @property
    def sockets(self) -> list[socket.socket]:
        return [self._ephemeral, *([self._shared] if self._shared else [])]

    def send(self, message: bytes) -> None:
        """Send to the mDNS group. An error is stored in `failure`."""
        group = (GROUP_IPV6, PORT, 0, self.origin.index) if self.origin.is_ipv6 else (GROUP_IPV4, PORT)
        self.failure = None
        for each in self.sockets:
            try:
                each.sendto(message, group)
            except BlockingIOError:
                continue
            except OSError as error:
                self.failure = error

    def receive(self, ready: socket.socket) -> Datagram | None:
        """Read a datagram from `ready`, one of `sockets`; None if it is not from a responder on this link."""
        try:
            data, ancillary, _, (source, port, *_) = ready.recvmsg(_MAX_MESSAGE, _ANCILLARY_SIZE)
        except OSError:
            # An ICMP error about an earlier query: a closed port, a lost network.
            return None
        source = source.partition("%")[0]
        if (
            port != PORT
            or not self._arrived_here(ancillary)
            or (ready is self._ephemeral and not self.origin.reaches(source))
        ):
            return None
        return Datagram(self.origin, source, data)

    def close(self) -> None:
        for each in self.sockets:
            each.close()

    def _arrived_here(self, ancillary: list[tuple[int, int, bytes]]) -> bool:
        """Whether the datagram arrived on this interface.

        A socket also receives from groups that other sockets of this machine joined on other interfaces.
        """
        indexes = [
            struct.unpack_from("@i", data)[0]
            for level, option, data in ancillary
            if (level, option) == (socket.IPPROTO_IP, _IP_PKTINFO)
        ]
        return all(index == self.origin.index for index in indexes)


def _new_socket(origin: LocalAddress) -> socket.socket:
    """A socket that sends multicasts from `origin`. RFC 6762 section 11 sets the hop limit."""
    new = socket.socket(origin.family, socket.SOCK_DGRAM)
    new.setblocking(False)
    try:
        if origin.is_ipv6:
            new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, struct.pack("@I", origin.index))
            new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
        else:
            new.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(origin.address))
            new.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            new.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    except OSError:
        new.close()
        raise
    return new


def _new_shared_socket(origin: LocalAddress) -> socket.socket | None:
    """A socket on port 5353 that receives multicasts on the link of `origin`; None if it cannot be opened."""
    new = _new_socket(origin)
    try:
        new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            # Some systems define the option but do not support it.
            with contextlib.suppress(OSError):
                new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Bound to the group, not to all addresses: unicast messages are for the system's own resolver,
        # if it runs one.
        if origin.is_ipv6:
            new.bind((GROUP_IPV6, PORT, 0, origin.index))
            group = socket.inet_pton(socket.AF_INET6, GROUP_IPV6) + struct.pack("@I", origin.index)
            new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        else:
            if sys.platform == "linux":
                new.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            new.bind((GROUP_IPV4, PORT))
            group = socket.inet_aton(GROUP_IPV4) + socket.inet_aton(origin.address)
            new.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    except OSError:
        # Another program holds the port exclusively, or the interface does not support multicast.
        new.close()
        return None
    return new

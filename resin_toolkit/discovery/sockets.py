"""The sockets of one place to ask from: questions go out to all neighbours, answers come in.

Each question is asked twice at once: from a port of our own, which neighbours answer to that port alone and
without delay (RFC 6762 section 6.7), and from port 5353, which they answer to everybody. The first needs no
port that another program may hold; the second is what firewalls let pass, and hears what nobody asked for:
devices that come and leave.
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
_ABOUT = 64
"""Bytes of what comes beside a datagram."""
_LARGEST = 9000
"""Bytes that a message has at most (RFC 6762 section 17)."""
_IP_PKTINFO = 8
"""linux/in.h: with each datagram comes the index of the interface that it came in on (ip(7))."""


@dataclass(frozen=True)
class Datagram:
    """A message as it came: where it came in, and the IP address of its sender, without a zone."""

    origin: LocalAddress
    source: str
    data: bytes


class MulticastSocket:
    """Open until `close`. Raises OSError where the address is no longer this machine's."""

    def __init__(self, origin: LocalAddress) -> None:
        self.origin = origin
        self.failure: OSError | None = None
        """Why the last question could not be sent."""
        self._asking = _socket(origin)
        self._listening: socket.socket | None = None
        try:
            self._asking.bind(("::", 0) if origin.is_ipv6 else (origin.address, 0))
            self._listening = _listening(origin)
        except OSError:
            self.close()
            raise

    @property
    def sockets(self) -> list[socket.socket]:
        return [self._asking, *([self._listening] if self._listening else [])]

    def ask(self, message: bytes) -> None:
        """Send it to all neighbours; what could not be sent leaves its reason in `failure`."""
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
        """What `ready`, one of the sockets, holds; None if it is nothing of a neighbour's."""
        try:
            data, about, _, (source, port, *_) = ready.recvmsg(_LARGEST, _ABOUT)
        except OSError:
            # A port that was closed, a network that has gone: told of the question that was sent before.
            return None
        source = source.partition("%")[0]
        if (
            port != PORT
            or not self._came_in_here(about)
            or (ready is self._asking and not self.origin.reaches(source))
        ):
            return None
        return Datagram(self.origin, source, data)

    def close(self) -> None:
        for each in self.sockets:
            each.close()

    def _came_in_here(self, about: list[tuple[int, int, bytes]]) -> bool:
        """A socket may hear what other sockets of this machine have joined on other interfaces."""
        indexes = [
            struct.unpack_from("@i", data)[0]
            for level, kind, data in about
            if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO)
        ]
        return all(index == self.origin.index for index in indexes)


def _socket(origin: LocalAddress) -> socket.socket:
    """A socket that sends to the neighbours of `origin`; RFC 6762 section 11 asks for the hop limit."""
    made = socket.socket(origin.family, socket.SOCK_DGRAM)
    made.setblocking(False)
    try:
        if origin.is_ipv6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, struct.pack("@I", origin.index))
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(origin.address))
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    except OSError:
        made.close()
        raise
    return made


def _listening(origin: LocalAddress) -> socket.socket | None:
    """A socket at port 5353 that hears what neighbours of `origin` tell all; None where none can be had."""
    made = _socket(origin)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            # Some systems have the name and not the thing.
            with contextlib.suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Bound to the group and not to all addresses: what is sent to this machine alone is for the
        # system's own resolver, if it runs one.
        if origin.is_ipv6:
            made.bind((GROUP_IPV6, PORT, 0, origin.index))
            group = socket.inet_pton(socket.AF_INET6, GROUP_IPV6) + struct.pack("@I", origin.index)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        else:
            if sys.platform == "linux":
                made.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            made.bind((GROUP_IPV4, PORT))
            group = socket.inet_aton(GROUP_IPV4) + socket.inet_aton(origin.address)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    except OSError:
        # Another program holds the port for itself, or the interface knows no groups.
        made.close()
        return None
    return made

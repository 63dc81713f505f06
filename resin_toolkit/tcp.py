"""TCP connections: to the first of several endpoints that answers, or an error that gives the reason."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from resin_toolkit.device.address import url_host
from resin_toolkit.errors import Unreachable

PATIENCE = 2.5
"""Seconds within which a host on the local network answers."""
_PREFERENCE = 0.2
"""Seconds that a place is waited for after a less preferred one has answered."""
_NO_ROUTE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL)

DEAD_AFTER = 13_000
"""Milliseconds of silence after which a connection counts as dead."""


@dataclass(frozen=True)
class Endpoint:
    """An IP address, with its zone if it has one, and a TCP port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{url_host(self.address)}:{self.port}"


def endpoints(addresses: Sequence[str], ports: Sequence[int]) -> list[Endpoint]:
    """Every port at every address, the preferred port first."""
    return [Endpoint(address, port) for port in ports for address in addresses]


def connect_any(
    host: str, wanted: Sequence[Endpoint], *, within: float = PATIENCE
) -> tuple[socket.socket, Endpoint]:
    """A blocking connection to the first of the places that answers, those in front preferred.

    All are tried at once. Raises Unreachable, which names `host` and has the fact `cause`: `refused`,
    `no-route` or `no-answer`.
    """
    attempts = _Attempts(wanted)
    try:
        found = attempts.first(time.monotonic() + within)
        if found is None:
            raise _unreachable(host, wanted, attempts.failures, within)
        return attempts.take(found), wanted[found]
    finally:
        attempts.close()


def keep_alive(connection: socket.socket) -> None:
    """Let the system notice within 15 s that a silent link is dead.

    Source: tcp(7). A probe after 5 s of silence, then each 2 s; given up 13 s after the last word.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 5),
        ("TCP_KEEPALIVE", 5),  # what macOS calls it
        ("TCP_KEEPINTVL", 2),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", DEAD_AFTER),
    ):
        set_tcp_option(connection, name, value)


def set_tcp_option(connection: socket.socket, name: str, value: int) -> None:
    """Set a TCP option by its name; an option that this system lacks is left out."""
    if hasattr(socket, name):
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _Attempts:
    """Connections that are being opened; `failures` is the errno of each that could not be, by its number."""

    def __init__(self, wanted: Sequence[Endpoint]) -> None:
        self.failures: dict[int, int] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._connected: set[int] = set()
        self._selector = selectors.DefaultSelector()
        for number, place in enumerate(wanted):
            self._begin(number, place)

    def first(self, deadline: float) -> int | None:
        """The number of the place that is connected to, None if there is none by `deadline`."""
        while True:
            pending = self._sockets.keys() - self._connected
            best = min(self._connected, default=None)
            if best is not None:
                deadline = min(deadline, time.monotonic() + _PREFERENCE)
            if not pending or (best is not None and min(pending) > best):
                return best
            if not self._wait(deadline):
                return best

    def take(self, number: int) -> socket.socket:
        connection = self._sockets.pop(number)
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def close(self) -> None:
        self._selector.close()
        for connection in self._sockets.values():
            connection.close()

    def _begin(self, number: int, place: Endpoint) -> None:
        try:
            [(family, kind, protocol, _, target), *_] = socket.getaddrinfo(
                place.address, place.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
            connection = socket.socket(family, kind, protocol)
        except OSError as error:
            # A zone that is no interface of this machine.
            self.failures[number] = error.errno if error.errno and error.errno > 0 else errno.EADDRNOTAVAIL
            return
        self._sockets[number] = connection
        connection.setblocking(False)
        code = connection.connect_ex(target)
        if code == errno.EINPROGRESS:
            self._selector.register(connection, selectors.EVENT_WRITE, number)
        else:
            self._end(number, code)

    def _wait(self, deadline: float) -> bool:
        """Whether anything came of an attempt by then."""
        events = self._selector.select(max(0.0, deadline - time.monotonic()))
        for key, _ in events:
            self._selector.unregister(key.fileobj)
            number = int(key.data)
            self._end(number, self._sockets[number].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        return bool(events)

    def _end(self, number: int, code: int) -> None:
        if code:
            self.failures[number] = code
            self._sockets.pop(number).close()
        else:
            self._connected.add(number)


def _unreachable(
    host: str, wanted: Sequence[Endpoint], failures: dict[int, int], within: float
) -> Unreachable:
    tried = ", ".join(str(place) for place in wanted)
    codes = set(failures.values())
    if errno.ECONNREFUSED in codes:
        return Unreachable(
            f"{host} is up, but nothing listens at {tried}.",
            hint="The service is not running, or this is a production image.",
            cause="refused",
        )
    if len(failures) < len(wanted):
        return Unreachable(
            f"{host} does not answer at {tried} within {within:g} s.",
            hint="It is off, still starting, or behind a firewall; `resin scan` shows what is there.",
            cause="no-answer",
        )
    if codes & set(_NO_ROUTE):
        return Unreachable(
            f"There is no route to {host} at {tried}.",
            hint="Is this machine on the same network, and the device switched on?",
            cause="no-route",
        )
    reason = os.strerror(min(codes)).lower() if codes else "it has no address"
    return Unreachable(
        f"{host} cannot be reached at {tried}: {reason}.", hint="Check the network.", cause="no-route"
    )

"""Connecting by TCP to the first of several endpoints that responds, and detecting dead connections."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from resin_toolkit.device.ip_addresses import url_host
from resin_toolkit.errors import Unreachable

PATIENCE = 2.5
"""Seconds to wait for a host on the local network."""
_PREFERENCE = 0.2
"""Seconds to wait for a preferred endpoint after a less preferred one is connected."""
_NO_ROUTE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL)

DEAD_AFTER = 13_000
"""Milliseconds of silence after which a connection is considered dead."""


@dataclass(frozen=True)
class Endpoint:
    """An IP address, with its zone if it has one, and a TCP port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{url_host(self.address)}:{self.port}"


def endpoints(addresses: Sequence[str], ports: Sequence[int]) -> list[Endpoint]:
    """Each port on each address, the preferred port first."""
    return [Endpoint(address, port) for port in ports for address in addresses]


def connect_any(
    host: str, candidates: Sequence[Endpoint], *, within: float = PATIENCE
) -> tuple[socket.socket, Endpoint]:
    """Connect to one of the endpoints, tried in parallel; the first ones are preferred.

    Returns a blocking socket and its endpoint. Raises Unreachable, which names `host` and has the fact
    `cause`: `refused`, `no-route` or `no-answer`.
    """
    attempts = _Attempts(candidates)
    try:
        found = attempts.wait(time.monotonic() + within)
        if found is None:
            raise _unreachable(host, candidates, attempts.failures, within)
        return attempts.take(found), candidates[found]
    finally:
        attempts.close()


def keep_alive(connection: socket.socket) -> None:
    """Make the system detect a dead connection within 15 s.

    Source: tcp(7). A probe after 5 s of silence, then every 2 s; dead 13 s after the last data.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 5),
        ("TCP_KEEPALIVE", 5),  # its name on macOS
        ("TCP_KEEPINTVL", 2),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", DEAD_AFTER),
    ):
        set_tcp_option(connection, name, value)


def set_tcp_option(connection: socket.socket, name: str, value: int) -> None:
    """Set a TCP option by its name, unless this system lacks it."""
    if hasattr(socket, name):
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _Attempts:
    """Connections that are being opened, by number; `failures` has the errno of those that failed."""

    def __init__(self, candidates: Sequence[Endpoint]) -> None:
        self.failures: dict[int, int] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._connected: set[int] = set()
        self._selector = selectors.DefaultSelector()
        for number, endpoint in enumerate(candidates):
            self._start(number, endpoint)

    def wait(self, deadline: float) -> int | None:
        """Wait for a connection; its number, or None if there is none by `deadline`."""
        while True:
            pending = self._sockets.keys() - self._connected
            best = min(self._connected, default=None)
            if best is not None:
                deadline = min(deadline, time.monotonic() + _PREFERENCE)
            if not pending or (best is not None and min(pending) > best):
                return best
            if not self._process_events(deadline):
                return best

    def take(self, number: int) -> socket.socket:
        """The socket of a connection, which `close` then leaves open."""
        connection = self._sockets.pop(number)
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def close(self) -> None:
        self._selector.close()
        for connection in self._sockets.values():
            connection.close()

    def _start(self, number: int, endpoint: Endpoint) -> None:
        try:
            [(family, kind, protocol, _, target), *_] = socket.getaddrinfo(
                endpoint.address, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
            connection = socket.socket(family, kind, protocol)
        except OSError as error:
            # The zone is not an interface of this machine.
            self.failures[number] = error.errno if error.errno and error.errno > 0 else errno.EADDRNOTAVAIL
            return
        self._sockets[number] = connection
        connection.setblocking(False)
        code = connection.connect_ex(target)
        if code == errno.EINPROGRESS:
            self._selector.register(connection, selectors.EVENT_WRITE, number)
        else:
            self._finish(number, code)

    def _process_events(self, deadline: float) -> bool:
        """Wait until `deadline` for attempts to succeed or fail; whether any did."""
        events = self._selector.select(max(0.0, deadline - time.monotonic()))
        for key, _ in events:
            self._selector.unregister(key.fileobj)
            number = int(key.data)
            self._finish(number, self._sockets[number].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        return bool(events)

    def _finish(self, number: int, code: int) -> None:
        if code:
            self.failures[number] = code
            self._sockets.pop(number).close()
        else:
            self._connected.add(number)


def _unreachable(
    host: str, candidates: Sequence[Endpoint], failures: dict[int, int], within: float
) -> Unreachable:
    tried = ", ".join(map(str, candidates))
    codes = set(failures.values())
    if errno.ECONNREFUSED in codes:
        return Unreachable(
            f"{host} is up, but nothing listens at {tried}.",
            hint="The service is not running, or the device has a production image.",
            cause="refused",
        )
    if len(failures) < len(candidates):
        return Unreachable(
            f"{host} did not respond at {tried} within {within:g} s.",
            hint="It is off, still booting, or behind a firewall; `resin scan` lists devices on the network.",
            cause="no-answer",
        )
    if codes & set(_NO_ROUTE):
        return Unreachable(
            f"There is no route to {host} at {tried}.",
            hint="Check that this machine is on the same network and that the device is powered on.",
            cause="no-route",
        )
    reason = os.strerror(min(codes)).lower() if codes else "it has no IP address"
    return Unreachable(
        f"{host} cannot be reached at {tried}: {reason}.",
        hint="Check the network connection of this machine.",
        cause="no-route",
    )

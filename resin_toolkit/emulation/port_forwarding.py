"""Ports of this machine that are forwarded to the emulated one.

They are bound to 127.0.0.1 only: whoever can connect to an unprotected engine is root in the machine.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from resin_toolkit.device.record import ENGINE_PORTS, SSH_PORT
from resin_toolkit.errors import BadValue, Refused, os_reason

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class PortRequest:
    """A port of the guest to forward, and the host port for it."""

    guest: int
    host: int
    is_required: bool = False
    """Whether another host port will not do."""


@dataclass(frozen=True)
class Forward:
    """A host port that is forwarded to a port of the guest."""

    host: int
    guest: int


@dataclass(frozen=True)
class ForwardedPorts:
    """All ports that are forwarded to a guest."""

    forwards: Sequence[Forward]

    def host(self, guest: int) -> int:
        """Return the host port for a port of the guest."""
        return next(forward.host for forward in self.forwards if forward.guest == guest)

    @property
    def ssh(self) -> int:
        """The host port of the SSH server."""
        return self.host(SSH_PORT)

    @property
    def published(self) -> list[Forward]:
        """The ports that the user has published."""
        return [forward for forward in self.forwards if forward.guest not in (SSH_PORT, *ENGINE_PORTS)]


def parse_publish(text: str) -> PortRequest:
    """Parse `[HOST:]GUEST`. Raises BadValue."""
    host, colon, guest = text.rpartition(":")
    numbers = [_port(number, text) for number in ((host, guest) if colon else (guest,))]
    return PortRequest(numbers[-1], numbers[0], is_required=bool(colon))


def choose_ports(published: Sequence[PortRequest]) -> ForwardedPorts:
    """Choose free host ports for SSH, the engine and the published ports.

    The same number as in the guest is used if it is free. Raises Refused if a required port is not.
    """
    requests = {port: PortRequest(port, port) for port in (SSH_PORT, *ENGINE_PORTS)}
    requests |= {request.guest: request for request in published}
    # All are held until the last is chosen, so that no two are the same; the required ones come first.
    with ExitStack() as held:
        ordered = sorted(requests.values(), key=lambda request: not request.is_required)
        chosen = {request.guest: Forward(_reserve(request, held), request.guest) for request in ordered}
    return ForwardedPorts(tuple(chosen[guest] for guest in requests))


def _reserve(request: PortRequest, held: ExitStack) -> int:
    try:
        return _bind(request.host, held)
    except OSError as error:
        if request.is_required:
            raise Refused(
                f"Port {request.host} of this machine cannot be forwarded: {os_reason(error)}.",
                hint=f"Choose another port, or let resin choose one: --publish {request.guest}",
            ) from error
        return _bind(0, held)


def _bind(port: int, held: ExitStack) -> int:
    server = held.enter_context(socket.socket())
    # Like QEMU: a recently closed connection does not make a port unavailable.
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((LOOPBACK, port))
    server.listen()
    return int(server.getsockname()[1])


def _port(number: str, text: str) -> int:
    if not (number.isascii() and number.isdecimal() and 0 < int(number) < 65536):
        raise BadValue(
            f"{text!r} is not a valid port to publish.",
            hint="Use [HOST:]GUEST with ports from 1 to 65535, for example 8080:80 or 80.",
        )
    return int(number)

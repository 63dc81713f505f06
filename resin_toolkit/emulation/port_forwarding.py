"""The ports of this machine that lead into the emulated one.

They are bound to 127.0.0.1 alone: whoever reaches an open engine is root there.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from resin_toolkit.device.record import ENGINE_PORTS, SSH_PORT
from resin_toolkit.errors import BadValue, Refused

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class PortRequest:
    """A port of the guest, and the one of this machine that should lead there, or must."""

    guest: int
    host: int
    must: bool = False


@dataclass(frozen=True)
class Forward:
    """A port of this machine that leads to one of the guest."""

    host: int
    guest: int


def parse_publish(word: str) -> PortRequest:
    """The meaning of `[HOST:]GUEST`. Raises BadValue."""
    host, colon, guest = word.rpartition(":")
    numbers = [_port(text, word) for text in ((host, guest) if colon else (guest,))]
    return PortRequest(numbers[-1], numbers[0], must=bool(colon))


def choose_ports(published: Sequence[PortRequest]) -> tuple[Forward, ...]:
    """Free ports for SSH, the engine and what is published, each once: the same number, else any.

    Raises Refused where one that must be had is taken.
    """
    wanted = {each.guest: each for each in (PortRequest(port, port) for port in (SSH_PORT, *ENGINE_PORTS))}
    wanted |= {each.guest: each for each in published}
    # Held until all are chosen, so that no two are the same; those that must be had first.
    with ExitStack() as held:
        ordered = sorted(wanted.values(), key=lambda each: not each.must)
        chosen = {each.guest: Forward(_held(each, held), each.guest) for each in ordered}
    return tuple(chosen[guest] for guest in wanted)


def _held(wanted: PortRequest, held: ExitStack) -> int:
    try:
        return _bound(wanted.host, held)
    except OSError as error:
        if wanted.must:
            reason = (error.strerror or str(error)).lower()
            raise Refused(
                f"Port {wanted.host} of this machine cannot be forwarded: {reason}.",
                hint=f"Choose another port, or let resin choose one: --publish {wanted.guest}",
            ) from error
        return _bound(0, held)


def _bound(port: int, held: ExitStack) -> int:
    listening = held.enter_context(socket.socket())
    # As QEMU does: a connection that has just ended is no reason against it.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((LOOPBACK, port))
    listening.listen()
    return int(listening.getsockname()[1])


def _port(text: str, word: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise BadValue(
            f"{word!r} is not a valid port to publish.",
            hint="Say [HOST:]GUEST, both from 1 to 65535: 8080:80, or 80.",
        )
    return int(text)

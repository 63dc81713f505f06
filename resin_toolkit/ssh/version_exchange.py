"""The first line that both ends of an SSH connection send (RFC 4253, section 4.2).

It is sent before anything heavy is loaded: the device works on its part while this machine loads its own.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Protocol

from resin_toolkit import __version__
from resin_toolkit.errors import Unreachable
from resin_toolkit.terminal.screen import clean

OURS = f"SSH-2.0-resin_{__version__.replace('-', '_')}"
_TURNS_AWAY = (b"Not allowed at this time", b"Exceeded MaxStartups")
"""What OpenSSH (sshd.c) says in place of its greeting."""
PATIENCE = 5.0
"""Seconds within which an SSH server says what it is; a small board may first have to start it."""
_MOST = 32768
"""Bytes that may come before that line. The RFC allows other lines, and sets no bound."""


class Connected(Protocol):
    """What a greeting needs of a connection; a socket, or a channel through another host."""

    def settimeout(self, seconds: float | None, /) -> None: ...
    def sendall(self, data: bytes, /) -> object: ...
    def recv(self, most: int, /) -> bytes: ...
    def close(self) -> object: ...


@dataclass(frozen=True)
class Greeting:
    """What the other end calls itself, `SSH-2.0-dropbear_2016.74`, and the bytes that came with it."""

    line: str
    rest: bytes


def send_greeting(connection: Connected) -> None:
    """Begin. That nobody takes it any more shows when the answer is read."""
    try:
        connection.sendall(OURS.encode() + b"\r\n")
    except OSError:
        return


def read_greeting(connection: Connected, host: str, place: str, within: float = PATIENCE) -> Greeting:
    """The other end's line. Raises Unreachable: `not-ssh`, `algorithms`, `refused` or `no-answer`."""
    deadline = time.monotonic() + within
    received = b""
    while True:
        found = _line_of(received)
        if found is not None:
            return _checked(found, host, place)
        if _is_something_else(received):
            raise _not_ssh(host, place)
        more = _receive(connection, deadline)
        if more is None:
            raise _silent(host, place, within) if not received else _not_ssh(host, place)
        if not more:
            raise _ended(received, host, place)
        received += more


def _line_of(received: bytes) -> Greeting | None:
    start = 0
    while (end := received.find(b"\n", start)) >= 0:
        line = received[start:end].rstrip(b"\r")
        if line.startswith(b"SSH-"):
            return Greeting(line[:255].decode("ascii", "replace"), received[end + 1 :])
        start = end + 1
    return None


def _is_something_else(received: bytes) -> bool:
    """HTTP, TLS and whatever holds a NUL are known at once; endless text is, when it is long enough."""
    return (
        received.startswith((b"HTTP/", b"\x15\x03", b"\x16\x03"))
        or b"\0" in received
        or len(received) > _MOST
    )


def _receive(connection: Connected, deadline: float) -> bytes | None:
    """What comes next, empty at the end, None if nothing does in time."""
    left = deadline - time.monotonic()
    if left <= 0:
        return None
    connection.settimeout(left)
    try:
        return connection.recv(4096)
    except TimeoutError:
        return None
    except OSError:
        return b""


def _checked(greeting: Greeting, host: str, place: str) -> Greeting:
    version = greeting.line.split("-", 2)[1]
    if version in ("2.0", "1.99"):
        return greeting
    raise Unreachable(
        f"{host} speaks only SSH {clean(version)} at {place}.",
        hint="That protocol has long been broken; update the operating system of the device.",
        cause="algorithms",
    )


def _not_ssh(host: str, place: str) -> Unreachable:
    return Unreachable(
        f"What answers at {place} of {host} is no SSH server.",
        hint="Say which port it listens at: --ssh-port.",
        cause="not-ssh",
    )


def _silent(host: str, place: str, within: float) -> Unreachable:
    return Unreachable(
        f"{host} takes the connection at {place}, but says nothing within {within:g} s.",
        hint="Its SSH server is busy or still starting: try again.",
        cause="no-answer",
    )


def _ended(received: bytes, host: str, place: str) -> Unreachable:
    """What it means that nothing more comes."""
    if not received:
        return _closed(host, place)
    if received.startswith(_TURNS_AWAY):
        return Unreachable(
            f"{host} turns this machine away at {place} for now.",
            hint="Its SSH server does so after logins that failed, or with too many at once: wait a minute.",
            cause="refused",
        )
    return _not_ssh(host, place)


def _closed(host: str, place: str) -> Unreachable:
    return Unreachable(
        f"{host} closes the connection at {place} at once.",
        hint="Its SSH server is starting, has too many connections, or does not take any from here.",
        cause="refused",
    )


def tune(connection: socket.socket) -> None:
    """Let the kernel notice a dead link within 15 s, and send what is written at once.

    See tcp(7); what a system lacks of it is left out, the SSH connection's own probes remain.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", 5),
        ("TCP_KEEPINTVL", 3),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 13_000),
    ):
        option = getattr(socket, name, None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)

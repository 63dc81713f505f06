"""The version line that both ends of an SSH connection send first (RFC 4253, section 4.2).

It is sent before paramiko is loaded: the server prepares its key exchange while this machine loads modules.
"""

from __future__ import annotations

import socket
import time
from typing import Protocol

from resin_toolkit import __version__
from resin_toolkit.errors import Unreachable
from resin_toolkit.tcp import keep_alive
from resin_toolkit.terminal.screen import clean

LOCAL_VERSION = f"SSH-2.0-resin_{__version__.replace('-', '_')}"
_BUSY = (b"Not allowed at this time", b"Exceeded MaxStartups")
"""What OpenSSH (sshd.c) sends in place of its version line."""
VERSION_TIMEOUT = 5.0
"""Seconds within which an SSH server sends its version; a small board may first have to start it."""
HANDSHAKE_TIMEOUT = 10.0
"""Seconds for the version and the key exchange together; the smallest boards need some of them."""
_MAX_BYTES = 32768
"""Bytes that may precede the version line. The RFC allows other lines, and sets no limit."""


class Connection(Protocol):
    """What the exchange needs of a connection: a socket, or a channel through a jump host."""

    def settimeout(self, seconds: float | None, /) -> None: ...
    def sendall(self, data: bytes, /) -> object: ...
    def recv(self, most: int, /) -> bytes: ...
    def close(self) -> object: ...


def send_version(connection: Connection) -> None:
    """Send our version line. If the connection is broken, `read_version` reports it."""
    try:
        connection.sendall(LOCAL_VERSION.encode() + b"\r\n")
    except OSError:
        return


def read_version(connection: Connection, host: str, endpoint: str, within: float = VERSION_TIMEOUT) -> str:
    """Read the server's version line, `SSH-2.0-dropbear_2016.74`, and not a byte beyond it.

    Raises Unreachable: `not-ssh`, `algorithms`, `refused` or `no-answer`.
    """
    deadline = time.monotonic() + within
    received = line = b""
    while True:
        # Byte by byte, so that the rest stays for paramiko to read.
        byte = _receive(connection, deadline)
        if byte is None:
            raise _no_answer(host, endpoint, within) if not received else _not_ssh(host, endpoint)
        if not byte:
            raise _closed(received, host, endpoint)
        received += byte
        line += byte
        if byte == b"\n":
            if line.startswith(b"SSH-"):
                return _check_version(line.rstrip(b"\r\n")[:255].decode("ascii", "replace"), host, endpoint)
            line = b""
        if _is_not_ssh(received):
            raise _not_ssh(host, endpoint)


def _is_not_ssh(received: bytes) -> bool:
    """Whether this is HTTP, TLS, binary data, or text without an end."""
    return (
        received.startswith((b"HTTP/", b"\x15\x03", b"\x16\x03"))
        or received.endswith(b"\0")
        or len(received) > _MAX_BYTES
    )


def _receive(connection: Connection, deadline: float) -> bytes | None:
    """The next byte; empty at the end, None at the deadline."""
    left = deadline - time.monotonic()
    if left <= 0:
        return None
    connection.settimeout(left)
    try:
        return connection.recv(1)
    except TimeoutError:
        return None
    except OSError:
        return b""


def _check_version(line: str, host: str, endpoint: str) -> str:
    version = line.split("-", 2)[1]
    if version in ("2.0", "1.99"):
        return line
    raise Unreachable(
        f"The SSH server of {host} at {endpoint} supports only protocol version {clean(version)}.",
        hint="That version is insecure. Update the operating system of the device.",
        cause="algorithms",
    )


def _not_ssh(host: str, endpoint: str) -> Unreachable:
    return Unreachable(
        f"The server at {endpoint} of {host} is not an SSH server.",
        hint="Pass the port of its SSH server with --ssh-port.",
        cause="not-ssh",
    )


def _no_answer(host: str, endpoint: str, within: float) -> Unreachable:
    return Unreachable(
        f"{host} accepts the connection at {endpoint}, but sends nothing for {within:g} s.",
        hint="Its SSH server is overloaded or still starting. Try again.",
        cause="no-answer",
    )


def _closed(received: bytes, host: str, endpoint: str) -> Unreachable:
    """The error for a connection that the server closed after these bytes."""
    if not received:
        return Unreachable(
            f"{host} closes the connection at {endpoint} immediately.",
            hint="Its SSH server is starting, has too many connections, or blocks this machine.",
            cause="refused",
        )
    if received.startswith(_BUSY):
        return Unreachable(
            f"{host} temporarily refuses connections from this machine at {endpoint}.",
            hint="It does so after failed logins, or with too many connections. Wait a minute.",
            cause="refused",
        )
    return _not_ssh(host, endpoint)


def tune(connection: socket.socket) -> None:
    """Make the kernel detect a dead connection within 15 s, and send small writes immediately.

    See tcp(7). Options that the system lacks are skipped; the probes of the SSH connection remain.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keep_alive(connection)

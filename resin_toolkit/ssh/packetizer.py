"""paramiko's Packetizer with limits: for the size of a packet, the handshake, and a silent link."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paramiko import packet as paramiko_packet
from paramiko.ssh_exception import SSHException

# The type stubs of paramiko leave out much of what is used here.
_Packetizer: Any = paramiko_packet.Packetizer

PROBE_AFTER = 5.0
GIVE_UP = 15.0
"""Seconds of silence after which the server is probed, and after which the link counts as dead."""
TICK = 1.0
"""The timeout of the connection in seconds: how long a thread takes at most to notice that it should end."""
_MAX_PACKET = 256 * 1024
"""Bytes of the longest packet that is accepted, as in OpenSSH (RFC 4253, section 6.1 asks for 35,000)."""
_MAX_MAC = 64


class Packetizer(_Packetizer):  # type: ignore[misc]
    """Reads packets in one thread and writes them in any. All framing, ciphers and MACs are paramiko's.

    `rekey_bytes` sets how many bytes either direction may carry before new keys are requested.
    """

    def __init__(self, connection: Any, rekey_bytes: int | None = None) -> None:
        self._connection = _TimedConnection(connection)
        super().__init__(self._connection)
        if rekey_bytes is not None:
            self.REKEY_BYTES = rekey_bytes
        self._handshake_deadline: float | None = None
        self._version_is_sent = False
        self._probed = 0.0
        self.probe: Callable[[], object] | None = None
        """Asks the server for any answer; None until the user is logged in."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """As paramiko's, which would try to read as much as a packet claims to hold: up to 4 GiB."""
        if n > _MAX_PACKET + _MAX_MAC:
            raise SSHException(f"the server announced a packet of {n} bytes")
        data: bytes = super().read_all(n, check_rekey)
        return data

    def write_all(self, out: bytes) -> None:
        """As paramiko's, except that the version line was sent when the connection was made."""
        if self._version_is_sent:
            super().write_all(out)
        self._version_is_sent = True

    # paramiko's timer is a thread of its own that stays for its whole time when the handshake fails, and it
    # is stopped at the first message already.

    def start_handshake(self, timeout: float) -> None:
        self._handshake_deadline = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        return self._handshake_deadline is not None and time.monotonic() > self._handshake_deadline

    def complete_handshake(self) -> None:
        if self._initial_kex_done:
            self._handshake_deadline = None

    def _check_keepalive(self) -> None:
        """Nothing arrived for a tick: probe the server, or give up. paramiko's probe asks for no answer."""
        now = time.monotonic()
        if self.probe is None:
            self._connection.heard = now
        elif now - self._connection.heard > GIVE_UP:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        elif now - max(self._connection.heard, self._probed) > PROBE_AFTER:
            self._probed = now
            self.probe()


class _TimedConnection:
    """What a Packetizer needs of a socket. Notes when bytes arrived last; `close` wakes whoever waits."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.send = connection.send
        self.heard = time.monotonic()

    def recv(self, size: int) -> bytes:
        data: bytes = self._connection.recv(size)
        self.heard = time.monotonic()
        return data

    def close(self) -> None:
        with suppress(OSError):  # The connection may have ended by itself.
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

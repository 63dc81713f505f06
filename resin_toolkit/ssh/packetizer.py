"""paramiko's Packetizer with limits: for the size and time of a packet, key exchanges, and a silent link."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paramiko import packet as paramiko_packet
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA
from paramiko.ssh_exception import SSHException

# The type stubs of paramiko leave out much of what is used here.
_Packetizer: Any = paramiko_packet.Packetizer

PROBE_AFTER = 5.0
GIVE_UP = 12.0
"""Seconds of silence after which the server is probed, and after which the link counts as dead. A key
exchange, and each packet in either direction, must also be complete within `GIVE_UP`."""
TICK = 1.0
"""The timeout of the connection in seconds: how long a thread takes at most to notice that it should end."""
_MAX_PACKET = 256 * 1024
"""Bytes of the longest packet that is accepted, as in OpenSSH (RFC 4253, section 6.1 asks for 35,000)."""
_MAX_MAC = 64
_IN_FLIGHT = 64 * 1024 * 1024
"""Bytes that may still arrive after new keys were requested: windows, and what is buffered on the way."""


class ProtocolViolation(SSHException):
    """The server breaks the protocol; the text says how, as in "it sends more than …"."""


class ExchangeTimedOut(ProtocolViolation):
    """A key exchange was not completed in time."""


class Packetizer(_Packetizer):  # type: ignore[misc]
    """Reads packets in one thread and writes them in any. All framing, ciphers and MACs are paramiko's.

    `rekey_bytes` sets how many bytes either direction may carry before new keys are requested.
    """

    def __init__(self, connection: Any, rekey_bytes: int | None = None) -> None:
        self._connection = _TimedConnection(connection)
        super().__init__(self._connection)
        self.REKEY_BYTES_OVERFLOW_MAX = _IN_FLIGHT
        if rekey_bytes is not None:
            self.REKEY_BYTES = rekey_bytes
        self._exchange_deadline: float | None = None
        self._version_is_sent = False
        self.has_data = False
        """Whether data arrived since this was set to False."""
        self._probed = 0.0
        self.probe: Callable[[], object] | None = None
        """Asks the server for any answer; None until the user is logged in."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """As paramiko's, which would try to read as much as a packet claims to hold: up to 4 GiB."""
        if n > _MAX_PACKET + _MAX_MAC:
            raise ProtocolViolation(f"it announces a packet of {n} bytes")
        data: bytes = super().read_all(n, check_rekey)
        return data

    def read_message(self) -> tuple[int, Any]:
        """As paramiko's. A packet that has begun must be complete within `GIVE_UP` seconds."""
        self._connection.packet_began = None
        kind, message = super().read_message()
        if kind in (MSG_CHANNEL_DATA, MSG_CHANNEL_EXTENDED_DATA):
            self.has_data = True
            if self._exchange_deadline is not None:
                # What was on the way when new keys were requested takes its time on a slow link.
                self.begin_exchange()
        return kind, message

    def write_all(self, out: bytes) -> None:
        """As paramiko's, except that the version line was sent when the connection was made.

        If the server does not accept a packet within `GIVE_UP` seconds, the connection ends.
        """
        if self._version_is_sent:
            self._connection.send_deadline = time.monotonic() + GIVE_UP
            super().write_all(out)
        self._version_is_sent = True

    # paramiko's timer is a thread of its own that stays for its whole time when the handshake fails, and it
    # is stopped at the first message already.

    def start_handshake(self, timeout: float) -> None:
        self._exchange_deadline = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        """Called before each read; paramiko would take a timeout for the end of the connection."""
        if self._exchange_deadline is not None and time.monotonic() > self._exchange_deadline:
            raise ExchangeTimedOut("it does not complete a key exchange in time")
        return False

    def complete_handshake(self) -> None:
        """Called after each message; the handshake ends with `end_exchange`."""

    def begin_exchange(self) -> None:
        """From now on, the server has `GIVE_UP` seconds to complete a key exchange."""
        self.start_handshake(GIVE_UP)

    def end_exchange(self) -> None:
        """The key exchange is complete."""
        self._exchange_deadline = None

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
    """What a Packetizer needs of a socket, with deadlines. `close` wakes whoever waits."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.heard = time.monotonic()
        """When bytes arrived last."""
        self.packet_began: float | None = None
        """When the first bytes of the current packet arrived; None before."""
        self.send_deadline = 0.0
        """When the current packet must be sent."""

    def recv(self, size: int) -> bytes:
        data: bytes = self._connection.recv(size)
        now = self.heard = time.monotonic()
        if self.packet_began is None:
            self.packet_began = now
        elif now - self.packet_began > GIVE_UP:
            raise ProtocolViolation(f"it does not complete a packet within {GIVE_UP:g} s")
        return data

    def send(self, data: bytes) -> int:
        try:
            sent: int = self._connection.send(data)
        except TimeoutError:
            sent = 0
        if sent < len(data) and time.monotonic() > self.send_deadline:
            # Closed, so that the thread that reads ends too.
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if not sent:
            raise TimeoutError
        return sent

    def close(self) -> None:
        with suppress(OSError):  # The connection may have ended by itself.
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

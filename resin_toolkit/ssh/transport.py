"""An SSH connection: paramiko's Transport with a rekey that does not stall, and our kind of channels.

While new keys are negotiated, paramiko blocks every thread that sends. Its own thread, which reads the
messages of the key exchange, sends as well: an answer or a close that falls due then waits for the exchange,
which waits for that thread, until both give up ("Key-exchange timed out"). Here, what that thread has to send
during an exchange is queued, and sent under the new keys.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from paramiko import transport as paramiko_transport
from paramiko.common import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_WINDOW_ADJUST,
    cMSG_CHANNEL_OPEN,
    cMSG_GLOBAL_REQUEST,
)
from paramiko.kex_curve25519 import KexCurve25519
from paramiko.message import Message
from paramiko.ssh_exception import SSHException

from resin_toolkit.ssh.channels import ANSWER_TIMEOUT, PACKET, WINDOW, StreamChannel
from resin_toolkit.ssh.packetizer import TICK, Packetizer, ProtocolViolation

S = TypeVar("S", bound=StreamChannel)

# The type stubs of paramiko leave out much of what is used here.
_Transport: Any = paramiko_transport.Transport

_FIRST_OF_CONNECTION = 80
"""Messages from this number on must not be sent during a key exchange (RFC 4253, section 7.1)."""
_MAX_QUEUED = 1000
"""Messages queued during one key exchange. Honest servers cause a few for each open channel."""
_MAX_EXTENSIONS = 64
"""Extensions that a server may announce (RFC 8308); there are five."""
_MAX_EXCHANGES = 20
_EXCHANGE_PERIOD = 60.0
"""Key exchanges in a row, each within this many seconds of the last, without data in between."""

_NOT_OFFERED = frozenset(
    {
        "diffie-hellman-group1-sha1",
        "diffie-hellman-group-exchange-sha1",
        "diffie-hellman-group-exchange-sha256",
    }
)
"""Key exchanges that are never offered: the first two are broken (RFC 9142, section 4). In a group exchange
the server chooses the numbers to calculate with, and the calculation may never end; no server needs it."""
_OUTDATED = frozenset({"diffie-hellman-group14-sha1", "ssh-rsa", "hmac-sha1"})
"""What old releases of dropbear need: offered last, and warned of."""


class HostKeyUnproven(SSHException):
    """The server's signature of the key exchange is not one by the host key that it presents."""


class ChannelRefused(Exception):
    """The server refuses to open a channel; `reason` is the code of RFC 4254, section 5.1."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class Transport(_Transport):  # type: ignore[misc]
    """A connection on which both version lines were exchanged already. It is a thread, which `close` ends."""

    # Offered in this order: what paramiko knows, without what no SSH server of the last ten years needs.
    _preferred_kex = (
        "curve25519-sha256",
        *(name for name in _Transport._preferred_kex if name not in _NOT_OFFERED),
    )
    _kex_info: ClassVar[dict[str, Any]] = {**_Transport._kex_info, "curve25519-sha256": KexCurve25519}
    _preferred_ciphers = (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        *(name for name in _Transport._preferred_ciphers if name.endswith("-ctr")),
    )
    _preferred_macs = (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        *(name for name in ("hmac-sha2-256", "hmac-sha2-512", "hmac-sha1")),
    )
    # paramiko's table names the functions of its own Channel, so what a subclass overrides is not called.
    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **_Transport._channel_handler_table,
        MSG_CHANNEL_DATA: lambda channel, m: channel._feed(m),
        MSG_CHANNEL_EXTENDED_DATA: lambda channel, m: channel._feed_extended(m),
        MSG_CHANNEL_WINDOW_ADJUST: lambda channel, m: channel._window_adjust(m),
    }

    packetizer: Packetizer

    def __init__(
        self,
        connection: Any,
        local_version: str,
        remote_version: str,
        *,
        key_types: Sequence[str] = (),
        rekey_bytes: int | None = None,
    ) -> None:
        """`key_types` are the host key algorithms to request before all others."""
        super().__init__(
            connection,
            default_window_size=WINDOW,
            default_max_packet_size=PACKET,
            packetizer_class=lambda sock: Packetizer(sock, rekey_bytes),
        )
        connection.settimeout(TICK)
        self.local_version, self.remote_version = local_version, remote_version
        usual: tuple[str, ...] = _Transport._preferred_keys
        known = tuple(name for name in key_types if name in usual)
        self._preferred_keys = (*known, *(name for name in usual if name not in known))
        self.offered: dict[str, Any] | None = None
        """The algorithms that the server offers, as parsed from its first SSH_MSG_KEXINIT."""
        self._queued: list[Message] = []
        self._refusals: dict[int, int] = {}
        self._failure: Exception | None = None
        self._exchanges = 0
        self._exchanged_at = 0.0

    def negotiate(self, within: float) -> None:
        """Exchange keys within `within` seconds. Raises SSHException, EOFError, OSError, TimeoutError."""
        self.handshake_timeout = within
        done = threading.Event()
        self.start_client(event=done)
        if not done.wait(within + TICK):
            raise TimeoutError("timed out")
        self.require_alive()
        if not self.initial_kex_done:
            raise EOFError

    @property
    def outdated_algorithms(self) -> tuple[str, ...]:
        """The algorithms in use that rely on SHA-1."""
        # With a cipher that authenticates, the MAC is not used.
        is_aead = self.local_cipher.endswith("-gcm@openssh.com")
        macs = () if is_aead else (self.local_mac, self.remote_mac)
        theirs = (self.offered or {}).get("kex_algo_list", ())
        kex = next((name for name in self.preferred_kex if name in theirs), "")
        used = (kex, self.host_key_type, *macs)
        return tuple(name for name in dict.fromkeys(used) if name in _OUTDATED)

    def require_alive(self) -> None:
        """Raise what ended the connection, if it ended: SSHException, EOFError or OSError."""
        if self.active:
            return
        error = self.failure or EOFError()
        if isinstance(error, (EOFError, OSError, SSHException)):
            raise error
        # The thread of paramiko ends with whatever it met: InvalidTag of a cipher, IndexError of a parser.
        raise ProtocolViolation(f"it sends an invalid packet ({type(error).__name__})") from error

    @property
    def failure(self) -> Exception | None:
        """What ended the connection; None if nothing did."""
        self._failure = self.get_exception() or self._failure
        return self._failure

    def watch(self) -> None:
        """From now on, probe the server when it is silent."""
        self.packetizer.probe = self._probe

    def open(self, kind: str, channel_type: type[S], extra: bytes = b"") -> S:
        """Open a channel; `extra` is what its kind adds to the request.

        Raises ChannelRefused, TimeoutError, and what `require_alive` raises.
        """
        with self.lock:
            number = self._next_channel()
            channel = channel_type(number)
            self._channels.put(number, channel)
            opened = self.channel_events[number] = threading.Event()
            self.channels_seen[number] = True
            channel._set_transport(self)
            channel._set_window(WINDOW, PACKET)
        message = Message()
        message.add_byte(cMSG_CHANNEL_OPEN)
        message.add_string(kind)
        message.add_int(number)
        message.add_int(WINDOW)
        message.add_int(PACKET)
        message.add_bytes(extra)
        self._send_user_message(message)
        try:
            self._wait_for(opened)
        except TimeoutError:
            with self.lock:
                self.channel_events.pop(number, None)
                self._channels.delete(number)
            raise
        if number in self._refusals:
            raise ChannelRefused(self._refusals.pop(number))
        return channel

    def close(self) -> None:
        super().close()
        if self.is_alive() and threading.current_thread() is not self:
            self.join()

    # called by paramiko

    def _check_banner(self) -> None:
        """The version line was read before there was a Transport."""

    def _really_parse_kex_init(self, m: Message, ignore_first_byte: bool = False) -> dict[str, Any]:
        parsed: dict[str, Any] = super()._really_parse_kex_init(m, ignore_first_byte)
        if not ignore_first_byte and self.offered is None:
            self.offered = {name: list(value) for name, value in parsed.items() if isinstance(value, list)}
        return parsed

    # A thread that sends without a pause takes the lock again before the waiting thread gets it. So the event
    # is cleared first, which stops the sender, and the lock then only waits for the message being sent.

    def _send_kex_init(self) -> None:
        self.clear_to_send.clear()
        if self.initial_kex_done:
            self.packetizer.begin_exchange()
        super()._send_kex_init()

    def _negotiate_keys(self, m: Message) -> None:
        self.clear_to_send.clear()
        if self.initial_kex_done:
            self.packetizer.begin_exchange()
            self._count_exchange()
        super()._negotiate_keys(m)

    def _count_exchange(self) -> None:
        now = time.monotonic()
        is_in_a_row = now - self._exchanged_at < _EXCHANGE_PERIOD and not self.packetizer.has_data
        self.packetizer.has_data = False
        self._exchanges, self._exchanged_at = self._exchanges + 1 if is_in_a_row else 1, now
        if self._exchanges > _MAX_EXCHANGES:
            raise ProtocolViolation("it exchanges keys again and again")

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        try:
            super()._verify_key(host_key, sig)
        except Exception as error:
            # A key or signature that cannot be parsed raises whatever its library does.
            raise HostKeyUnproven(str(error)) from error

    def _parse_debug(self, m: Message) -> None:
        """Debug messages are not shown.

        paramiko logs them, in time that grows with the square of their length, and fills one that is shorter
        than it claims to be with zeros, up to 1 MiB.
        """

    def _parse_newkeys(self, m: Message) -> None:
        super()._parse_newkeys(m)
        self.packetizer.end_exchange()
        queued, self._queued = self._queued, []
        for message in queued:
            self.packetizer.send_message(message)

    def _send_message(self, data: Message) -> None:
        exchanging = not self.clear_to_send.is_set() and self.initial_kex_done
        # Only the messages of this thread are queued: another thread holds the lock, so that what it sends
        # precedes the key exchange, and queueing it would let later data overtake it.
        if exchanging and threading.current_thread() is self and data.asbytes()[0] >= _FIRST_OF_CONNECTION:
            if len(self._queued) >= _MAX_QUEUED:
                raise ProtocolViolation("it sends requests instead of exchanging keys")
            self._queued.append(data)
        else:
            self.packetizer.send_message(data)

    def _send_user_message(self, data: Message) -> None:
        if threading.current_thread() is self:
            self._send_message(data)
            return
        self._exchanges = 0
        try:
            super()._send_user_message(data)
        except EOFError:
            return  # That the connection is lost shows when an answer, or data, is waited for.
        except SSHException as error:
            raise TimeoutError(str(error)) from error

    def _parse_ext_info(self, msg: Message) -> None:
        """As paramiko's, which would loop as often as the message says: up to 4,294,967,295 times."""
        count = msg.get_int()
        if count > _MAX_EXTENSIONS:
            raise ProtocolViolation(f"it announces {count} extensions")
        msg.rewind()
        super()._parse_ext_info(msg)

    def _parse_channel_open_failure(self, m: Message) -> None:
        number, reason = m.get_int(), m.get_int()
        with self.lock:
            opened = self.channel_events.pop(number, None)
            if opened is not None:
                self._refusals[number] = reason
                self._channels.delete(number)
                opened.set()

    def _probe(self) -> None:
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        self._send_message(message)

    def _wait_for(self, opened: threading.Event) -> None:
        until = time.monotonic() + ANSWER_TIMEOUT
        while not opened.wait(TICK):
            self.require_alive()
            if time.monotonic() > until:
                raise TimeoutError("timed out")
        self.require_alive()

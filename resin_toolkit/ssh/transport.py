"""An SSH connection, on top of paramiko's Transport: other packets and channels, and a rekeying that holds.

paramiko stops all that its user sends while new keys are agreed on, and its one thread of messages may be
among what is stopped: an answer or a close that falls due in that time waits for the exchange, which waits
for that thread, until both give up ("Key-exchange timed out"). Here what that thread has to send meanwhile
is held back, and goes out under the new keys.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from paramiko import transport as paramiko_transport
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
    cMSG_CHANNEL_OPEN,
    cMSG_GLOBAL_REQUEST,
)
from paramiko.kex_curve25519 import KexCurve25519
from paramiko.message import Message

from resin_toolkit.ssh.channels import PACKET, WINDOW, Stream, reset
from resin_toolkit.ssh.packets import TICK, Packets

if TYPE_CHECKING:
    from resin_toolkit.ssh.sealing import Bytes
    from resin_toolkit.ssh.version_exchange import Greeting

S = TypeVar("S", bound=Stream)

# A great part of what is used here is not in the declarations of its types.
_Transport: Any = paramiko_transport.Transport

_FIRST_HELD = 80
"""Messages from this number on are not part of a key exchange (RFC 4250, section 4.1.2)."""
_OPENING = 30.0
"""Seconds within which a device opens a channel, or says that it does not."""


class ChannelRefused(Exception):
    """The device opens no such channel; `reason` is the code of RFC 4254, section 5.1."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class Transport(_Transport):  # type: ignore[misc]
    """A connection to a server that has sent its greeting already. It is a thread, which `close` ends."""

    _preferred_kex = (
        "curve25519-sha256",
        *_Transport._preferred_kex,
    )
    _kex_info: ClassVar[dict[str, Any]] = {**_Transport._kex_info, "curve25519-sha256": KexCurve25519}
    _preferred_ciphers = (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        *(name for name in _Transport._preferred_ciphers if not name.endswith("@openssh.com")),
    )
    _preferred_macs = (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        *(name for name in _Transport._preferred_macs if not name.endswith("@openssh.com")),
    )
    _channel_handler_table: ClassVar[dict[int, Any]] = {
        MSG_CHANNEL_SUCCESS: lambda channel, m: channel._request_success(m),
        MSG_CHANNEL_FAILURE: lambda channel, m: channel._request_failed(m),
        MSG_CHANNEL_DATA: lambda channel, m: channel._feed(m),
        MSG_CHANNEL_EXTENDED_DATA: lambda channel, m: channel._feed_extended(m),
        MSG_CHANNEL_WINDOW_ADJUST: lambda channel, m: channel._window_adjust(m),
        MSG_CHANNEL_REQUEST: lambda channel, m: channel._handle_request(m),
        MSG_CHANNEL_EOF: lambda channel, m: channel._handle_eof(m),
        MSG_CHANNEL_CLOSE: lambda channel, m: channel._handle_close(m),
    }

    packetizer: Packets

    def __init__(
        self,
        connection: Any,
        ours: str,
        theirs: Greeting,
        *,
        key_types: Sequence[str] = (),
        rekey_bytes: int | None = None,
    ) -> None:
        """`key_types` are the host key algorithms to be asked for before all others."""
        super().__init__(
            connection,
            default_window_size=WINDOW,
            default_max_packet_size=PACKET,
            packetizer_class=lambda sock: Packets(sock, theirs.rest, rekey_bytes),
        )
        connection.settimeout(TICK)
        self.local_version = ours
        self._theirs = theirs
        usual: tuple[str, ...] = _Transport._preferred_keys
        known = tuple(name for name in key_types if name in usual)
        self._preferred_keys = (*known, *(name for name in usual if name not in known))
        self.packetizer.deliver = self._deliver
        self.offered: dict[str, Any] | None = None
        """The algorithms that the other end offers, as its first message of the key exchange names them."""
        self._held: list[Message] = []
        self._refusals: dict[int, int] = {}

    def negotiate(self, within: float) -> None:
        """Agree on keys. Raises SSHException, EOFError, OSError, TimeoutError."""
        self.handshake_timeout = within
        agreed = threading.Event()
        self.start_client(event=agreed)
        if not agreed.wait(within + TICK):
            raise TimeoutError("timed out")
        self.require_alive()
        if not self.initial_kex_done:
            raise EOFError

    def require_alive(self) -> None:
        """Raises what has ended the connection, if anything has."""
        if not self.active:
            raise self.get_exception() or EOFError()

    def watch(self) -> None:
        """From now on ask for a sign of life when the other end is silent."""
        self.packetizer.probe = self._probe

    def open(self, kind: str, channel_type: type[S], extra: bytes = b"") -> S:
        """A channel. Raises ChannelRefused, and what `require_alive` raises."""
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
        self._wait_for(opened)
        if number in self._refusals:
            raise ChannelRefused(self._refusals.pop(number))
        return channel

    def send_data(self, channel: int, parts: Sequence[Bytes]) -> None:
        """SSH_MSG_CHANNEL_DATA, one for each part, written at once. Raises EOFError, OSError."""
        head = bytes((MSG_CHANNEL_DATA,)) + channel.to_bytes(4, "big")
        packets = [(head, len(part).to_bytes(4, "big"), part) for part in parts]
        while True:
            self._wait_clear()
            with self.clear_to_send_lock:
                if self.clear_to_send.is_set():
                    try:
                        self.packetizer.send(packets)
                    except EOFError:
                        raise reset() from None
                    return

    def close(self) -> None:
        super().close()
        if self.is_alive() and threading.current_thread() is not self:
            self.join()

    # what paramiko calls

    def _check_banner(self) -> None:
        self.remote_version = self._theirs.line

    def _really_parse_kex_init(self, m: Message, ignore_first_byte: bool = False) -> dict[str, Any]:
        parsed: dict[str, Any] = super()._really_parse_kex_init(m, ignore_first_byte)
        if not ignore_first_byte and self.offered is None:
            self.offered = {name: list(value) for name, value in parsed.items() if isinstance(value, list)}
        return parsed

    def _send_kex_init(self) -> None:
        # Before the lock: a thread that writes without a pause sees it, and lets go.
        self.clear_to_send.clear()
        super()._send_kex_init()

    def _negotiate_keys(self, m: Message) -> None:
        self.clear_to_send.clear()
        super()._negotiate_keys(m)

    def _parse_newkeys(self, m: Message) -> None:
        super()._parse_newkeys(m)
        held, self._held = self._held, []
        for message in held:
            self.packetizer.send_message(message)

    def _send_message(self, data: Message) -> None:
        exchanging = not self.clear_to_send.is_set() and self.initial_kex_done
        if exchanging and data.asbytes()[0] >= _FIRST_HELD:
            self._held.append(data)
        else:
            self.packetizer.send_message(data)

    def _send_user_message(self, data: Message) -> None:
        """That the connection is lost shows when an answer, or data, is waited for."""
        if threading.current_thread() is self:
            self._send_message(data)
            return
        while self.active:
            if not self.clear_to_send.wait(TICK):
                continue
            with self.clear_to_send_lock:
                if self.clear_to_send.is_set():
                    with suppress(EOFError):
                        self.packetizer.send_message(data)
                    return

    def _parse_channel_open_failure(self, m: Message) -> None:
        number, reason = m.get_int(), m.get_int()
        with self.lock:
            opened = self.channel_events.pop(number, None)
            if opened is not None:
                self._refusals[number] = reason
                self._channels.delete(number)
                opened.set()

    # below

    def _deliver(self, number: int, data: memoryview) -> bool:
        channel = self._channels.get(number)
        if channel is None:
            return False
        channel.deliver(data)
        return True

    def _probe(self) -> None:
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        self._send_message(message)

    def _wait_clear(self) -> bool:
        """Whether messages may go out now; waits a while for it. Raises ConnectionResetError."""
        clear: bool = self.clear_to_send.wait(TICK)
        if not self.active:
            raise reset()
        return clear

    def _wait_for(self, opened: threading.Event) -> None:
        until = time.monotonic() + _OPENING
        while not opened.wait(TICK):
            self.require_alive()
            if time.monotonic() > until:
                raise TimeoutError("timed out")
        self.require_alive()

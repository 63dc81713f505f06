"""The packets of an SSH connection, in place of paramiko's own Packetizer.

That one reads a socket block by block and copies each byte several times; here a gigabyte goes through in
seconds. Data for a channel does not pass through paramiko's loop of messages at all. A silent link is
probed, and given up after `GIVE_UP`.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from paramiko.message import Message
from paramiko.packet import NeedRekeyException

from resin_toolkit.ssh.receive_buffer import Incoming
from resin_toolkit.ssh.sealing import Bytes, Checked, CheckedInside, Gcm, Mac, Opening, Plain, Sealing

PROBE_AFTER = 5.0
GIVE_UP = 15.0
"""Seconds of silence after which the other end is asked for a sign, and after which the link is dead."""
TICK = 1.0
_DATA = 94
"""SSH_MSG_CHANNEL_DATA (RFC 4254, section 5.2)."""
_MOST_PACKETS = 1 << 31
"""Of one key, as in OpenSSH (RFC 4344, section 3.1)."""
_MOST_BYTES = {8: 1 << 30, 16: 1 << 36}
"""Of one key, by the size of the cipher's block (RFC 4344, section 3.2)."""


class Packets:
    """Reads in one thread, writes in any; what paramiko's Transport asks of a packetizer is here.

    `deliver` takes the data of a channel, by its number, and says whether there is such a channel.
    """

    def __init__(self, connection: Any, received: bytes, rekey_bytes: int | None = None) -> None:
        self._socket = connection
        self._incoming = Incoming(connection, received, self._idle)
        self._opening: Opening = Plain()
        self._sealing: Sealing = Plain()
        self._sequence_in = self._sequence_out = 0
        self._count_in, self._count_out = _Count(rekey_bytes), _Count(rekey_bytes)
        self._write_lock = threading.Lock()
        self._need_rekey = self._rekey_told = False
        self._new_keys = 0
        self._heard = self._probed = time.monotonic()
        self._heard_count = 0
        self._handshake_until: float | None = None
        self._initial_kex_done = False
        self.deliver: Callable[[int, memoryview], bool] = _nobody
        self.probe: Callable[[], object] | None = None
        """Asks the other end for an answer; None as long as nobody is logged in."""
        self.closed = False

    # reading

    def read_message(self) -> tuple[int, Message]:
        """The next message that is not data of a channel, its number first.

        Raises NeedRekeyException where new keys are due, EOFError, OSError and SSHException.
        """
        while True:
            if self._need_rekey and not self._rekey_told:
                self._rekey_told = True
                raise NeedRekeyException
            packet = self._opening.open(self._incoming, self._sequence_in)
            sequence, self._sequence_in = self._sequence_in, (self._sequence_in + 1) & 0xFFFF_FFFF
            self._need_rekey |= self._count_in.add(len(packet))
            end = len(packet) - packet[0]
            kind = packet[1] if end > 1 else 0
            if kind == _DATA and self._delivered(packet, end):
                continue
            message = Message(bytes(packet[2:end]))
            message.seqno = sequence
            return kind, message

    def _delivered(self, packet: Bytes, end: int) -> bool:
        number = int.from_bytes(packet[2:6], "big")
        size = int.from_bytes(packet[6:10], "big")
        return 10 + size <= end and self.deliver(number, memoryview(packet)[10 : 10 + size])

    def _idle(self, begun: bool) -> None:
        """Nothing came for a while."""
        now = time.monotonic()
        if self.closed or (self._handshake_until is not None and now > self._handshake_until):
            raise EOFError
        if self._need_rekey and not self._rekey_told and not begun:
            self._rekey_told = True
            raise NeedRekeyException
        if self._incoming.received != self._heard_count:
            self._heard_count, self._heard = self._incoming.received, now
        if self.probe is None:
            self._heard = now
        elif now - self._heard > GIVE_UP:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        elif now - max(self._heard, self._probed) > PROBE_AFTER:
            self._probed = now
            self.probe()

    # writing

    def send_message(self, message: Message) -> None:
        self.send([[message.asbytes()]])

    def send(self, payloads: Sequence[Sequence[Bytes]]) -> None:
        """Write packets, each given in parts, at once. Raises EOFError."""
        with self._write_lock:
            pieces: list[Bytes] = []
            for parts in payloads:
                pieces += self._sealing.seal(parts, self._sequence_out)
                self._sequence_out = (self._sequence_out + 1) & 0xFFFF_FFFF
            self._need_rekey |= self._count_out.add(sum(map(len, pieces)), len(payloads))
            self._transmit(pieces)

    def _transmit(self, pieces: list[Bytes]) -> None:
        together = getattr(self._socket, "sendmsg", None)
        if together is None:
            pieces = [b"".join(pieces)]
        while pieces:
            try:
                sent = together(pieces) if together is not None else self._socket.send(pieces[0])
            except TimeoutError:
                if self.closed:
                    raise EOFError from None
                continue
            except OSError:
                raise EOFError from None
            pieces = _after(pieces, sent)

    # what paramiko's Transport calls besides

    def write_all(self, data: bytes) -> None:
        """The first line of the connection, which was sent before there was a Transport."""

    def close(self) -> None:
        """End the connection, and whatever waits for it."""
        self.closed = True
        with suppress(OSError):  # It may have ended by itself.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def need_rekey(self) -> bool:
        return self._need_rekey

    def start_handshake(self, timeout: float) -> None:
        self._handshake_until = time.monotonic() + timeout

    def complete_handshake(self) -> None:
        if self._initial_kex_done:
            self._handshake_until = None

    def reset_seqno_out(self) -> None:
        self._sequence_out = 0

    def reset_seqno_in(self) -> None:
        self._sequence_in = 0

    def set_log(self, log: object) -> None:
        """Nothing is logged here."""

    def set_outbound_cipher(
        self, block_engine: Any, block_size: int, mac_engine: Any, mac_size: int, mac_key: bytes,
        sdctr: bool = False,  # noqa: ARG002
        etm: bool = False, aead: bool = False, iv_out: bytes = b"",
    ) -> None:  # fmt: skip
        self._sealing = _keys(
            block_engine, block_size, mac_engine, mac_size, mac_key, etm, iv_out if aead else b""
        )
        self._count_out.restart(block_size)
        self._rekeyed(1)

    def set_inbound_cipher(
        self, block_engine: Any, block_size: int, mac_engine: Any, mac_size: int, mac_key: bytes,
        etm: bool = False, aead: bool = False, iv_in: bytes = b"",
    ) -> None:  # fmt: skip
        self._opening = _keys(
            block_engine, block_size, mac_engine, mac_size, mac_key, etm, iv_in if aead else b""
        )
        self._count_in.restart(block_size)
        self._rekeyed(2)

    def _rekeyed(self, way: int) -> None:
        """Nothing is due any more once both ways have new keys."""
        self._new_keys |= way
        if self._new_keys == 3:
            self._new_keys = 0
            self._need_rekey = self._rekey_told = False


class _Count:
    """What went one way under the same keys."""

    def __init__(self, most_bytes: int | None) -> None:
        self._wanted = most_bytes
        self._most = _MOST_BYTES[16]
        self.packets = self.bytes = 0

    def restart(self, block: int) -> None:
        self.packets = self.bytes = 0
        self._most = self._wanted or _MOST_BYTES.get(block, _MOST_BYTES[8])

    def add(self, size: int, packets: int = 1) -> bool:
        """Whether it is enough now."""
        self.packets += packets
        self.bytes += size
        return self.bytes >= self._most or self.packets >= _MOST_PACKETS


def _keys(
    engine: Any, block: int, digest: Any, mac_size: int, mac_key: bytes, etm: bool, nonce: bytes
) -> Gcm | Checked | CheckedInside:
    if nonce:
        return Gcm(engine, nonce)
    mac = Mac(mac_key, digest, mac_size)
    return Checked(engine, block, mac) if etm else CheckedInside(engine, block, mac)


def _after(pieces: list[Bytes], sent: int) -> list[Bytes]:
    """What is left once `sent` bytes are gone."""
    for number, piece in enumerate(pieces):
        if sent < len(piece):
            return [memoryview(piece)[sent:], *pieces[number + 1 :]] if sent else pieces[number:]
        sent -= len(piece)
    return []


def _nobody(number: int, data: memoryview) -> bool:  # noqa: ARG001
    return False

"""How a packet is made secret and checked.

RFC 4253, section 6; for GCM RFC 5647; for EtM OpenSSH's PROTOCOL, section 1.6.

`Sealing` makes packets, `Opening` takes them apart, each with the keys of one direction. The bytes that carry
the data are copied once only, by the cipher.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.exceptions import InvalidTag
from paramiko.ssh_exception import SSHException

if TYPE_CHECKING:
    from resin_toolkit.ssh.receive_buffer import Incoming

Bytes = bytes | bytearray | memoryview

_LONGEST = 256 * 1024
"""Bytes of the longest packet that is taken, as in OpenSSH."""
_SHORTEST_PADDING = 4


class Sealing(Protocol):
    """The outgoing half of the keys."""

    def seal(self, parts: Sequence[Bytes], sequence: int) -> list[Bytes]:
        """The packet, in pieces, whose payload is `parts`, one after the other."""


class Opening(Protocol):
    """The incoming half of the keys."""

    def open(self, incoming: Incoming, sequence: int) -> Bytes:
        """The next packet from the byte with the length of its padding on. Raises SSHException."""


class Plain:
    """No keys yet."""

    def seal(self, parts: Sequence[Bytes], sequence: int) -> list[Bytes]:  # noqa: ARG002
        return [_framed(parts, 8, 4)]

    def open(self, incoming: Incoming, sequence: int) -> Bytes:  # noqa: ARG002
        length = _length(incoming.peek(4), 8, 4)
        return incoming.take(4 + length)[4:]


class Gcm:
    """AES in Galois/Counter mode: the length stays readable and is authenticated; no other MAC."""

    def __init__(self, cipher: Any, nonce: bytes) -> None:
        self._cipher = cipher
        self._fixed, self._count = nonce[:4], int.from_bytes(nonce[4:], "big")

    def seal(self, parts: Sequence[Bytes], sequence: int) -> list[Bytes]:  # noqa: ARG002
        framed = _framed(parts, 16, 0)
        length = framed[:4]
        return [length, self._cipher.encrypt(self._nonce(), memoryview(framed)[4:], length)]

    def open(self, incoming: Incoming, sequence: int) -> Bytes:  # noqa: ARG002
        length = _length(incoming.peek(4), 16, 0)
        packet = incoming.take(4 + length + 16)
        try:
            plain: bytes = self._cipher.decrypt(self._nonce(), packet[4:], packet[:4])
        except InvalidTag:
            raise SSHException("a packet was forged or damaged") from None
        return plain

    def _nonce(self) -> bytes:
        nonce = self._fixed + self._count.to_bytes(8, "big")
        self._count = (self._count + 1) & 0xFFFF_FFFF_FFFF_FFFF
        return nonce


class Checked:
    """A cipher and, over the ciphertext (EtM), a MAC; the length stays readable."""

    def __init__(self, cipher: Any, block: int, mac: Mac) -> None:
        self._cipher, self._block, self._mac = cipher, block, mac

    def seal(self, parts: Sequence[Bytes], sequence: int) -> list[Bytes]:
        framed = _framed(parts, self._block, 0)
        length, secret = framed[:4], self._cipher.update(memoryview(framed)[4:])
        return [length, secret, self._mac.of(sequence, length, secret)]

    def open(self, incoming: Incoming, sequence: int) -> Bytes:
        length = _length(incoming.peek(4), self._block, 0)
        packet = incoming.take(4 + length + self._mac.size)
        self._mac.require(packet[4 + length :], sequence, packet[: 4 + length])
        plain: bytes = self._cipher.update(packet[4 : 4 + length])
        return plain


class CheckedInside:
    """A cipher and, over the plain text, a MAC: the form of RFC 4253. The length is secret too."""

    def __init__(self, cipher: Any, block: int, mac: Mac) -> None:
        self._cipher, self._block, self._mac = cipher, block, mac
        self._head = b""
        """The first block, where waiting for the rest was broken off."""

    def seal(self, parts: Sequence[Bytes], sequence: int) -> list[Bytes]:
        framed = _framed(parts, self._block, 4)
        return [self._cipher.update(framed), self._mac.of(sequence, framed)]

    def open(self, incoming: Incoming, sequence: int) -> Bytes:
        self._head = self._head or self._cipher.update(incoming.take(self._block))
        length = _length(self._head, self._block, 4)
        packet = incoming.take(4 + length - self._block + self._mac.size)
        head, self._head = self._head, b""
        at = len(packet) - self._mac.size
        plain = head + self._cipher.update(packet[:at])
        self._mac.require(packet[at:], sequence, plain)
        return memoryview(plain)[4:]


class Mac:
    """A keyed digest over a packet's number and its bytes, cut to `size` bytes."""

    def __init__(self, key: bytes, digest: Callable[[], Any], size: int) -> None:
        self._keyed, self.size = hmac.new(key, digestmod=digest), size

    def of(self, sequence: int, *parts: Bytes) -> bytes:
        made = self._keyed.copy()
        made.update(sequence.to_bytes(4, "big"))
        for part in parts:
            made.update(part)
        return made.digest()[: self.size]

    def require(self, shown: Bytes, sequence: int, *parts: Bytes) -> None:
        if not hmac.compare_digest(self.of(sequence, *parts), shown):
            raise SSHException("a packet was forged or damaged")


def _framed(parts: Sequence[Bytes], block: int, counted: int) -> bytes:
    """Length, length of the padding, payload, padding; `counted` bytes of the length belong to the blocks."""
    size = sum(map(len, parts))
    padding = block - (counted + 1 + size) % block
    if padding < _SHORTEST_PADDING:
        padding += block
    head = (1 + size + padding).to_bytes(4, "big") + bytes((padding,))
    return b"".join((head, *parts, os.urandom(padding)))


def _length(head: Bytes, block: int, counted: int) -> int:
    length = int.from_bytes(head[:4], "big")
    if not 5 <= length <= _LONGEST or (length + counted) % block:
        raise SSHException(f"a packet says that it is {length} bytes long")
    return length

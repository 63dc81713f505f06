"""The messages of multicast DNS: questions written, answers read.

Format: RFC 1035 section 4.1, with what RFC 6762 section 18 makes of the header and the class.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

SERVICE = "_ssh._tcp.local."
SUBTYPES = (f"_resin-device._sub.{SERVICE}", f"_balena-device._sub.{SERVICE}")
"""What resinOS announces, and what it was called later."""

_IN = 1
_MOST_LABELS = 127


class RecordType(IntEnum):
    """Types of records (RFC 1035 section 3.2.2, RFC 3596, RFC 2782)."""

    A = 1
    PTR = 12
    AAAA = 28
    SRV = 33


@dataclass(frozen=True)
class Question:
    name: str
    kind: RecordType


@dataclass(frozen=True)
class Pointer:
    """`name`, a type of service, is offered by the instance `target`, for `ttl` seconds; 0: no longer."""

    name: str
    target: str
    ttl: int


@dataclass(frozen=True)
class Service:
    """The instance `name` is at `port` of `host`."""

    name: str
    host: str
    port: int
    ttl: int


@dataclass(frozen=True)
class HostAddress:
    """The host `name` has the IP address `address`, without a zone."""

    name: str
    address: str
    ttl: int


Record = Pointer | Service | HostAddress


def questions(*asked: Question) -> bytes:
    """A message that asks them all. Raises ValueError for a name that no message can hold."""
    header = struct.pack(">6H", 0, 0, len(asked), 0, 0, 0)
    return header + b"".join(_encoded(q.name) + struct.pack(">2H", q.kind, _IN) for q in asked)


def read(data: bytes) -> list[Record]:
    """What a message answers; nothing where it is a question, or damaged from there on."""
    from zeroconf import DNSAddress, DNSIncoming, DNSPointer, DNSService

    message = DNSIncoming(data)
    if not message.valid or not message.is_response():
        return []
    found: list[Record] = []
    for record in message.answers():
        if record.class_ != _IN:
            continue
        name, ttl = record.name.lower(), int(record.ttl)
        if isinstance(record, DNSPointer) and record.type == RecordType.PTR:
            found.append(Pointer(name, record.alias, ttl))
        elif isinstance(record, DNSService):
            found.append(Service(name, record.server, record.port, ttl))
        elif isinstance(record, DNSAddress) and len(record.address) in (4, 16):
            found.append(HostAddress(name, str(ipaddress.ip_address(record.address)), ttl))
    return found


def instance_of(name: str) -> str:
    """`kitchen lamp`, of `kitchen lamp._ssh._tcp.local.`."""
    return name[: -len(SERVICE) - 1] if name.lower().endswith(f".{SERVICE}") else name


def _labels(name: str) -> Sequence[str]:
    """The parts of a name; the name of an instance is one, whatever dots it has (RFC 6763 section 4.3)."""
    if name.lower().endswith(f".{SERVICE}") and not name.lower().endswith(f"._sub.{SERVICE}"):
        return [instance_of(name), *SERVICE.rstrip(".").split(".")]
    return name.rstrip(".").split(".")


def _encoded(name: str) -> bytes:
    parts = [label.encode() for label in _labels(name)]
    if len(parts) > _MOST_LABELS or not all(0 < len(part) < 64 for part in parts):
        raise ValueError(f"no name of DNS: {name!r}")
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"

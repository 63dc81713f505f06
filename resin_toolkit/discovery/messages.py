"""Multicast DNS messages: writing queries and reading answers, with zeroconf.

Format: RFC 1035 section 4.1, with the header and class of RFC 6762 section 18.
"""

from __future__ import annotations

import ipaddress
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroconf import DNSAddress, DNSQuestion, DNSRecord

SERVICE = "_ssh._tcp.local."
SUBTYPES = (f"_resin-device._sub.{SERVICE}", f"_balena-device._sub.{SERVICE}")
"""What resinOS and balenaOS announce."""

_QUERY = 0x0000
_IN = 1
_MAX_LABELS = 127
_DOT = "\x7f"
"""Replaces a dot in the name of an instance; no other byte of a query with one question has this value."""


class RecordType(IntEnum):
    """Types of records (RFC 1035 section 3.2.2, RFC 3596, RFC 2782)."""

    A = 1
    PTR = 12
    AAAA = 28
    SRV = 33


def question(name: str, record_type: RecordType) -> DNSQuestion:
    """A question for the records of `name`, which ends with a dot."""
    from zeroconf import DNSQuestion

    # zeroconf before 0.149 accepts no subclass of int.
    return DNSQuestion(name, int(record_type), _IN)


def query(*questions: DNSQuestion) -> bytes:
    """A message with these questions. Raises ValueError for a name that no message can hold.

    A question about an instance whose name contains dots must be the only one.
    """
    from zeroconf import DNSOutgoing, DNSQuestion

    message = DNSOutgoing(_QUERY)
    for each in questions:
        # The name of an instance is one label, whatever dots it has (RFC 6763 section 4.3). zeroconf would
        # write each part as a label of its own. It does not check the lengths either.
        instance, rest = _split_instance(each.name)
        name = instance.replace(".", _DOT) + rest
        labels = name.rstrip(".").split(".")
        if len(labels) > _MAX_LABELS or not all(0 < len(label.encode()) < 64 for label in labels):
            raise ValueError(f"not a DNS name: {each.name!r}")
        message.add_question(DNSQuestion(name, each.type, each.class_))
    [packet] = message.packets()
    return packet.replace(_DOT.encode(), b".")


def read_answers(data: bytes) -> list[DNSRecord]:
    """The records of a response; none if it is a query, and those before the damage if it is malformed."""
    from zeroconf import DNSIncoming

    message = DNSIncoming(data)
    if not message.valid or not message.is_response():
        return []
    return [record for record in message.answers() if record.class_ == _IN]


def ip_address(record: DNSAddress) -> str:
    """The IP address of a record, without a zone; empty if its length is wrong."""
    return str(ipaddress.ip_address(record.address)) if len(record.address) in (4, 16) else ""


def instance_of(name: str) -> str:
    """`kitchen lamp`, of `kitchen lamp._ssh._tcp.local.`."""
    return _split_instance(name)[0] or name


def _split_instance(name: str) -> tuple[str, str]:
    """The instance, empty if there is none, and the rest of a name."""
    if name.lower().endswith(f".{SERVICE}") and not name.lower().endswith(f"._sub.{SERVICE}"):
        return name[: -len(SERVICE) - 1], name[-len(SERVICE) - 1 :]
    return "", name

"""Read `ports` of a service."""

from __future__ import annotations

import re

from resin_toolkit.compose.nodes import List, Map, Node
from resin_toolkit.compose.problems import InvalidValue, ValuePath, collecting_problems
from resin_toolkit.compose.values import text
from resin_toolkit.project.application import Port

_SHORT = re.compile(r"(?:(?:(\[[0-9a-fA-F:.]+\]|[0-9.]+):)?([0-9-]*):)?([0-9-]+)(?:/(tcp|udp|sctp))?")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_HINT = "Write it as 80, 8080:80, 127.0.0.1:8080:80, 8000-8010:8000-8010 or 53:53/udp."


def read_ports(node: Node | None, path: ValuePath) -> tuple[Port, ...]:
    """Return the ports in the order of the file, without duplicates."""
    found: list[Port] = []
    for number, item in enumerate(node.items if isinstance(node, List) else ()):
        with collecting_problems(path / number, item):
            found += _long_form(item) if isinstance(item, Map) else _short_form(text(item))
    return tuple(dict.fromkeys(found))


def _short_form(written: str) -> list[Port]:
    match = _SHORT.fullmatch(written)
    if match is None:
        raise InvalidValue(f"is not a valid port: {written}", _HINT)
    host_ip, published, target, protocol = match.groups(default="")
    return _ports(host_ip.strip("[]"), published, target, protocol or "tcp")


def _long_form(node: Map) -> list[Port]:
    protocol = text(node.get("protocol")) or "tcp"
    if protocol not in ("tcp", "udp", "sctp"):
        raise InvalidValue(f"has an unknown protocol: {protocol!r}", "Use tcp, udp or sctp.")
    target = text(node.get("target"))
    if not target:
        raise InvalidValue("is missing target", "Add `target:`, the port of the container.")
    return _ports(text(node.get("host_ip")), text(node.get("published")), target, protocol)


def _ports(host_ip: str, published: str, target: str, protocol: str) -> list[Port]:
    guest_ports = _range(target)
    host_ports: list[int] = _range(published) if published else []
    if host_ports and len(host_ports) != len(guest_ports):
        raise InvalidValue(
            f"publishes {len(guest_ports)} container ports on {len(host_ports)} device ports",
            "Give both ranges the same length.",
        )
    return [
        Port(port, host_ports[number] if host_ports else None, protocol, host_ip)
        for number, port in enumerate(guest_ports)
    ]


def _range(written: str) -> list[int]:
    match = _RANGE.fullmatch(written)
    if match is None:
        raise InvalidValue(f"is not a valid port: {written}", _HINT)
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 < first <= last < 65536:
        raise InvalidValue(
            f"is not a valid port: {written}",
            "Use 1 to 65535, the lower end of a range first.",
        )
    return list(range(first, last + 1))

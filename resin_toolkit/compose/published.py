"""Ports of the device that more than one container would take."""

from __future__ import annotations

from resin_toolkit.compose.nodes import Map, Place
from resin_toolkit.compose.problems import Findings, Where
from resin_toolkit.project.application import Application, Port

_EVERYWHERE = ("", "0.0.0.0", "::")


def check_published(application: Application, tree: Map, findings: Findings) -> None:
    """Tell of a port of the device that is published twice: the engine would refuse the second one."""
    taken: list[tuple[Port, str]] = []
    for service in application.services:
        for port in service.ports:
            other = next((name for known, name in taken if _collide(known, port)), "")
            if other:
                where = Where(findings, ("services", service.name, "ports"))
                protocol = "" if port.protocol == "tcp" else f"/{port.protocol}"
                by = "already" if other == service.name else f"by {other}, too"
                where.bad(
                    _place(tree, service.name),
                    f"publish {port.host}{protocol} of the device, which is published {by}",
                    "Give one of them another port of the device.",
                )
            elif port.host is not None:
                taken.append((port, service.name))


def _collide(one: Port, other: Port) -> bool:
    if one.host is None or (one.host, one.protocol) != (other.host, other.protocol):
        return False
    everywhere = one.host_ip in _EVERYWHERE or other.host_ip in _EVERYWHERE
    return everywhere or one.host_ip == other.host_ip


def _place(tree: Map, service: str) -> Place:
    services = tree.get("services")
    node = services.get(service) if isinstance(services, Map) else None
    ports = node.get("ports") if isinstance(node, Map) else None
    return ports.place if ports is not None else tree.place

"""Ports of the device that more than one container would take."""

from __future__ import annotations

from resin_toolkit.errors import ComposeInvalid
from resin_toolkit.project.application import Application, Port

_EVERYWHERE = ("", "0.0.0.0", "::")


def check_port_conflicts(application: Application) -> None:
    """Raise ComposeInvalid for a port that is published twice: the engine would refuse the second container.

    Compose files may say so as long as the services never run together, which push makes them do.
    """
    taken: list[tuple[Port, str]] = []
    for service in application.services:
        for port in service.ports:
            other = next((name for known, name in taken if _collide(known, port)), "")
            if other:
                raise _twice(application, port, other, service.name)
            taken.append((port, service.name))


def _collide(one: Port, other: Port) -> bool:
    if one.host is None or (one.host, one.protocol) != (other.host, other.protocol):
        return False
    everywhere = one.host_ip in _EVERYWHERE or other.host_ip in _EVERYWHERE
    return everywhere or one.host_ip == other.host_ip


def _twice(application: Application, port: Port, one: str, other: str) -> ComposeInvalid:
    protocol = "" if port.protocol == "tcp" else f"/{port.protocol}"
    who = f"{one} and {other} both publish" if one != other else f"{one} publishes twice"
    files = ", ".join(file.name for file in application.files[:1])
    return ComposeInvalid(
        f"{files}: {who} port {port.host}{protocol} of the device.",
        hint="Give one of them another port, or a profile of its own.",
    )

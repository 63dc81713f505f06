"""In which order services are started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from resin_toolkit.project.application import Service

_SERVICE = "service:"


def network_service(service: Service) -> str:
    """The service whose network this one joins; empty for none."""
    mode = service.network_mode
    return mode.removeprefix(_SERVICE) if mode.startswith(_SERVICE) else ""


def dependencies(service: Service) -> set[str]:
    """The services that must be there before this one."""
    joined = network_service(service)
    return {*service.depends_on, *([joined] if joined else [])}


def with_dependencies(services: Iterable[Service], names: Iterable[str]) -> frozenset[str]:
    """Those of the services that are named, and all that have to be there before them."""
    known = {service.name: service for service in services}
    found: set[str] = set()
    left = [name for name in names if name in known]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [other for other in dependencies(known[name]) if other in known]
    return frozenset(found)


def start_levels(services: Iterable[Service]) -> list[list[Service]]:
    """The services in groups: each needs only services of groups before it, or none of these at all.

    Raises ValueError, with the names, where services need each other in a circle.
    """
    left: Mapping[str, Service] = {service.name: service for service in services}
    found = []
    while left:
        free = [service for service in left.values() if not dependencies(service) & left.keys()]
        if not free:
            raise ValueError(", ".join(sorted(left)))
        found.append(free)
        left = {name: service for name, service in left.items() if service not in free}
    return found

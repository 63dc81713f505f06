"""The order in which services start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from resin_toolkit.project.application import Service

_SERVICE = "service:"


def network_service(service: Service) -> str:
    """The service whose network this one joins; empty if there is none."""
    mode = service.network_mode
    return mode.removeprefix(_SERVICE) if mode.startswith(_SERVICE) else ""


def dependencies(service: Service) -> set[str]:
    """The services that have to run before this one."""
    joined = network_service(service)
    return {*service.depends_on, *([joined] if joined else [])}


def with_dependencies(services: Iterable[Service], names: Iterable[str]) -> frozenset[str]:
    """The named services and all their dependencies."""
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
    """Group services so that each depends only on services of earlier groups, or outside of all groups.

    Raises ValueError, with the names, for circular dependencies.
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

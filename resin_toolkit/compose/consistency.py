"""Checks across the services, networks and volumes of an application: references, cycles and ports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from resin_toolkit.compose.nodes import List, Location, Map, Node, Scalar
from resin_toolkit.compose.problems import Diagnostics, ValuePath
from resin_toolkit.compose.values import parse_bool, parse_scalar
from resin_toolkit.errors import ComposeInvalid
from resin_toolkit.project.application import Application, Port, Service

_EVERYWHERE = ("", "0.0.0.0", "::")


def check_references(
    application: Application, tree: Map, left_out: Mapping[str, str], diagnostics: Diagnostics
) -> None:
    """Report references to undefined services, networks and volumes, and dependency cycles.

    `left_out` maps each service whose profiles are not active to these profiles.
    """
    services = {service.name: service for service in application.services}
    for service in application.services:
        path = ValuePath(diagnostics, ("services", service.name))
        _check_networks(service, application, tree, path)
        _check_volumes(service, application, tree, path)
        for name in _dependencies(service):
            key = "depends_on" if name in service.depends_on else "network_mode"
            if name not in services:
                _report_missing(
                    name, key, _reference_location(tree, service.name, key, name), services, left_out, path
                )
    _check_cycles(services, tree, diagnostics)


def drop_missing_optional(service: Node, existing: Iterable[str], path: ValuePath) -> Node:
    """Remove the optional dependencies (`required: false`) of a service that do not exist."""
    depends_on = service.get("depends_on") if isinstance(service, Map) else None
    if not isinstance(service, Map) or not isinstance(depends_on, Map):
        return service
    kept = {
        name: entry
        for name, entry in depends_on.entries.items()
        if name in existing
        or not isinstance(entry, Map)
        or parse_scalar(entry.get("required"), path / name, parse_bool, True)
    }
    remaining = Map(kept, depends_on.location, depends_on.keys)
    return Map({**service.entries, "depends_on": remaining}, service.location, service.keys)


def _dependencies(service: Service) -> list[str]:
    mode = service.network_mode
    joined = [mode.removeprefix("service:")] if mode.startswith("service:") else []
    return list(dict.fromkeys([*service.depends_on, *joined]))


def _report_missing(
    name: str,
    key: str,
    location: Location,
    services: Mapping[str, Service],
    left_out: Mapping[str, str],
    path: ValuePath,
) -> None:
    if name in left_out:
        (path / key).add_problem(
            location,
            f"names {name}, whose profile is not active ({left_out[name]})",
            f"Name {name} on the command line, or set COMPOSE_PROFILES={left_out[name].split(', ')[0]}.",
        )
        return
    close = get_close_matches(name, services, n=1)
    hint = f"Did you mean {close[0]}?" if close else "Name a service that these files define."
    (path / key).add_problem(location, f"names {name}, which is not a service", hint)


def _check_networks(service: Service, application: Application, tree: Map, path: ValuePath) -> None:
    for key in service.networks:
        if key not in application.networks and key != "default":
            location = _reference_location(tree, service.name, "networks", key)
            (path / "networks").add_problem(
                location, f"names {key}, which is not a network", _declare("networks", key)
            )


def _check_volumes(service: Service, application: Application, tree: Map, path: ValuePath) -> None:
    for mount in service.mounts:
        if mount.kind == "volume" and mount.source and mount.source not in application.volumes:
            location = _reference_location(tree, service.name, "volumes", mount.source)
            (path / "volumes").add_problem(
                location, f"names {mount.source}, which is not a volume", _declare("volumes", mount.source)
            )


def _declare(section: str, key: str) -> str:
    return f"Declare it at the top level: `{section}:` with `{key}:` below."


def _check_cycles(services: Mapping[str, Service], tree: Map, diagnostics: Diagnostics) -> None:
    visited: set[str] = set()
    for name in services:
        cycle = _cycle(name, services, (), visited)
        if cycle:
            location = _reference_location(tree, cycle[0], "depends_on", cycle[1])
            diagnostics.add(
                location,
                f"services depend on each other in a cycle: {' → '.join(cycle)}",
                "Remove one of them from `depends_on`.",
            )
            return


def _cycle(
    name: str, services: Mapping[str, Service], path: tuple[str, ...], visited: set[str]
) -> tuple[str, ...]:
    if name in path:
        return (*path[path.index(name) :], name)
    if name in visited or name not in services:
        return ()
    visited.add(name)
    for other in _dependencies(services[name]):
        cycle = _cycle(other, services, (*path, name), visited)
        if cycle:
            return cycle
    return ()


def _reference_location(tree: Map, service: str, key: str, name: str) -> Location:
    """The location at which a service names something in its field `key`."""
    services = tree.get("services")
    node = services.get(service) if isinstance(services, Map) else None
    below = node.get(key) if isinstance(node, Map) else None
    if isinstance(below, Map):
        return below.key_location(name)
    if isinstance(below, List):
        for item in below.items:
            source = item.get("source") if isinstance(item, Map) else item
            if isinstance(source, Scalar) and source.text.split(":")[0] == name:
                return source.location
    return below.location if below is not None else node.location if node is not None else tree.location


def check_port_conflicts(application: Application) -> None:
    """Raise ComposeInvalid if a port is published twice: the engine would refuse the second container.

    Compose allows it for services that never run at the same time; push runs all of them.
    """
    taken: list[tuple[Port, str]] = []
    for service in application.services:
        for port in service.ports:
            other = next((name for known, name in taken if _conflict(known, port)), "")
            if other:
                raise _port_conflict(application, port, other, service.name)
            taken.append((port, service.name))


def _conflict(one: Port, other: Port) -> bool:
    if one.host is None or (one.host, one.protocol) != (other.host, other.protocol):
        return False
    everywhere = one.host_ip in _EVERYWHERE or other.host_ip in _EVERYWHERE
    return everywhere or one.host_ip == other.host_ip


def _port_conflict(application: Application, port: Port, one: str, other: str) -> ComposeInvalid:
    protocol = "" if port.protocol == "tcp" else f"/{port.protocol}"
    who = f"{one} and {other} both publish" if one != other else f"{one} publishes twice"
    files = ", ".join(file.name for file in application.files[:1])
    return ComposeInvalid(
        f"{files}: {who} port {port.host}{protocol} of the device.",
        hint="Change one of the ports, or give one of the services a profile.",
    )

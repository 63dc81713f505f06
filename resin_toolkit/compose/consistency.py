"""What has to fit together between the services, networks and volumes of an application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from resin_toolkit.compose.nodes import List, Location, Map, Node, Scalar
from resin_toolkit.compose.problems import Diagnostics, ValuePath
from resin_toolkit.compose.values import parse_bool, parse_scalar
from resin_toolkit.project.application import Application, Service


def check_references(
    application: Application, tree: Map, left_out: Mapping[str, str], diagnostics: Diagnostics
) -> None:
    """Tell every name that nothing bears, and services that wait for each other in a circle.

    `left_out` are the services whose profiles are not active, each with these.
    """
    services = {service.name: service for service in application.services}
    for service in application.services:
        path = ValuePath(diagnostics, ("services", service.name))
        _check_networks(service, application, tree, path)
        _check_volumes(service, application, tree, path)
        for name in _needed(service):
            key = "depends_on" if name in service.depends_on else "network_mode"
            if name not in services:
                _tell_missing(name, key, _place(tree, service.name, key, name), services, left_out, path)
    _check_circles(services, tree, diagnostics)


def drop_missing_optional(service: Node, there: Iterable[str], path: ValuePath) -> Node:
    """A service that waits for no other which is not there and need not be (`required: false`)."""
    waited = service.get("depends_on") if isinstance(service, Map) else None
    if not isinstance(service, Map) or not isinstance(waited, Map):
        return service
    kept = {
        name: entry
        for name, entry in waited.entries.items()
        if name in there
        or not isinstance(entry, Map)
        or parse_scalar(entry.get("required"), path / name, parse_bool, True)
    }
    shorter = Map(kept, waited.location, waited.keys)
    return Map({**service.entries, "depends_on": shorter}, service.location, service.keys)


def _needed(service: Service) -> list[str]:
    mode = service.network_mode
    joined = [mode.removeprefix("service:")] if mode.startswith("service:") else []
    return list(dict.fromkeys([*service.depends_on, *joined]))


def _tell_missing(
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
            f"names {name}, which is left out: it has the profile {left_out[name]}",
            f"Name the service {name}, or set COMPOSE_PROFILES={left_out[name].split(', ')[0]}.",
        )
        return
    close = get_close_matches(name, services, n=1)
    hint = f"Did you mean {close[0]}?" if close else "Name a service of these files."
    (path / key).add_problem(location, f"names {name}, which is not a service", hint)


def _check_networks(service: Service, application: Application, tree: Map, path: ValuePath) -> None:
    for key in service.networks:
        if key not in application.networks and key != "default":
            location = _place(tree, service.name, "networks", key)
            (path / "networks").add_problem(
                location, f"names {key}, which is not a network", _declare("networks", key)
            )


def _check_volumes(service: Service, application: Application, tree: Map, path: ValuePath) -> None:
    for mount in service.mounts:
        if mount.kind == "volume" and mount.source and mount.source not in application.volumes:
            location = _place(tree, service.name, "volumes", mount.source)
            (path / "volumes").add_problem(
                location, f"names {mount.source}, which is not a volume", _declare("volumes", mount.source)
            )


def _declare(kind: str, key: str) -> str:
    return f"Declare it at the top of the file: `{kind}:` with `{key}:` below."


def _check_circles(services: Mapping[str, Service], tree: Map, diagnostics: Diagnostics) -> None:
    done: set[str] = set()
    for name in services:
        circle = _circle(name, services, (), done)
        if circle:
            location = _place(tree, circle[0], "depends_on", circle[1])
            diagnostics.add(
                location,
                f"services depend on each other in a circle: {' → '.join(circle)}",
                "Take one of them out of `depends_on`.",
            )
            return


def _circle(
    name: str, services: Mapping[str, Service], above: tuple[str, ...], done: set[str]
) -> tuple[str, ...]:
    if name in above:
        return (*above[above.index(name) :], name)
    if name in done or name not in services:
        return ()
    done.add(name)
    for other in _needed(services[name]):
        circle = _circle(other, services, (*above, name), done)
        if circle:
            return circle
    return ()


def _place(tree: Map, service: str, key: str, name: str) -> Location:
    """ValuePath a service names something below `key`."""
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

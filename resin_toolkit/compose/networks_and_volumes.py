"""Read the top-level `networks` and `volumes`."""

from __future__ import annotations

from ipaddress import ip_network

from resin_toolkit.compose.nodes import List, Map, Node
from resin_toolkit.compose.problems import InvalidValue, ValuePath
from resin_toolkit.compose.values import parse_bool, parse_scalar, string_map, text
from resin_toolkit.project.application import Network, Volume


def read_networks(node: Node | None, path: ValuePath) -> dict[str, Network]:
    found = {}
    for key, entry in node.entries.items() if isinstance(node, Map) else ():
        here = path / key
        given = entry if isinstance(entry, Map) else Map({}, entry.location)
        name, external = _name(key, given, here)
        found[key] = Network(
            name,
            text(given.get("driver")),
            string_map(given.get("driver_opts")),
            string_map(given.get("labels")),
            parse_scalar(given.get("internal"), here / "internal", parse_bool, False),
            external,
            _subnets(given.get("ipam"), here / "ipam" / "config"),
        )
    return found


def read_volumes(node: Node | None, path: ValuePath) -> dict[str, Volume]:
    found = {}
    for key, entry in node.entries.items() if isinstance(node, Map) else ():
        given = entry if isinstance(entry, Map) else Map({}, entry.location)
        name, external = _name(key, given, path / key)
        found[key] = Volume(
            name,
            text(given.get("driver")),
            string_map(given.get("driver_opts")),
            string_map(given.get("labels")),
            external,
        )
    return found


def _name(key: str, given: Map, path: ValuePath) -> tuple[str, bool]:
    """Its name on the engine, and whether it is external, so that it must exist already."""
    name, external = text(given.get("name")), given.get("external")
    if isinstance(external, Map):
        return text(external.get("name")) or name or key, True
    if parse_scalar(external, path / "external", parse_bool, False):
        conflict = next(
            (word for word in ("driver", "driver_opts", "labels", "ipam", "internal") if given.get(word)), ""
        )
        if conflict:
            path.add_problem(
                given.key_location(conflict),
                f"is external and cannot have {conflict}",
                "Remove one of the two.",
            )
        return name or key, True
    return name, False


def _subnets(ipam: Node | None, path: ValuePath) -> tuple[str, ...]:
    config = ipam.get("config") if isinstance(ipam, Map) else None
    found = []
    for number, entry in enumerate(config.items if isinstance(config, List) else ()):
        node = entry.get("subnet") if isinstance(entry, Map) else None
        subnet = parse_scalar(node, path / number / "subnet", _subnet, "")
        if subnet:
            found.append(subnet)
    return tuple(found)


def _subnet(word: str) -> str:
    try:
        return str(ip_network(word))
    except ValueError:
        raise InvalidValue(f"is not a subnet: {word}", "Write it as 172.28.0.0/16.") from None

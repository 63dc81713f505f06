"""One compose file laid over another, by the rules of the compose specification.

Mappings are merged name by name and lists put end to end; a single value takes the place of what was there.
Some lists are mappings written shortly (`environment`), some have one item for each key (`volumes` by their
target), and some are one value (`command`). `!reset` takes a value away, `!override` replaces it whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from resin_toolkit.compose.nodes import List, Location, Map, Node, Scalar

Path = tuple[str, ...]
Key = Callable[[Node], object]

_WHOLE = {"command", "entrypoint", "test"}
"""Lists that are one value."""
_NAMED = {"environment", "labels", "args", "sysctls", "driver_opts", "extra_hosts", "annotations"}
"""Lists of NAME=VALUE that may be mappings too."""
_SETS = {
    "cap_add",
    "cap_drop",
    "security_opt",
    "group_add",
    "profiles",
    "dns",
    "tmpfs",
    "env_file",
    "aliases",
}
"""Lists in which each item counts once."""


def merge(base: Map, over: Map) -> Map:
    """`over` laid over `base`: whole files, or services."""
    return _merge_maps(base, over, ())


def merge_service(base: Map, over: Map) -> Map:
    """The same of two services, for `extends`."""
    return _merge_maps(base, over, ("services", "*"))


def remove_resets(node: Node) -> Node:
    """A tree without what is only there to be taken away."""
    if isinstance(node, Map):
        kept = {k: remove_resets(v) for k, v in node.entries.items() if v.tag != "reset"}
        return replace(node, entries=kept)
    if isinstance(node, List):
        return replace(node, items=tuple(remove_resets(item) for item in node.items if item.tag != "reset"))
    return node


def _merge_maps(base: Map, over: Map, path: Path) -> Map:
    entries, keys = dict(base.entries), dict(base.keys)
    for key, node in over.entries.items():
        if node.tag == "reset":
            entries.pop(key, None)
            continue
        before = entries.get(key)
        merged = node if before is None else _merge(before, node, (*path, key))
        entries[key] = remove_resets(merged)
        if merged is not before:
            keys[key] = over.key_location(key)
    return replace(base, entries=entries, keys=keys, location=over.location)


def _merge(base: Node, over: Node, path: Path) -> Node:
    name = path[-1]
    if over.tag == "override" or (name in _WHOLE and _is_rule(path)):
        return over
    if isinstance(over, Scalar) and over.value is None:
        # A variable without a value is one that the workstation has; elsewhere it says nothing.
        return over if len(path) > 3 and path[-2] in _NAMED else base
    base, over = _long(base, path), _long(over, path)
    if isinstance(base, Map) and isinstance(over, Map):
        if name == "logging" and _other(base, over, "driver"):
            return over
        return _merge_maps(base, over, path)
    if isinstance(base, List) and isinstance(over, List):
        return replace(base, items=_joined(base, over, path), location=over.location)
    return over


def _is_rule(path: Path) -> bool:
    """Whether the last name is one of compose's own, not a service, network or variable that is called so."""
    return len(path) == 3 or (len(path) > 3 and path[-2] not in {*_NAMED, "networks", "depends_on"})


def _other(base: Map, over: Map, key: str) -> bool:
    first, second = base.get(key), over.get(key)
    return isinstance(first, Scalar) and isinstance(second, Scalar) and first.value != second.value


def _long(node: Node, path: Path) -> Node:
    """A value that may be written in two ways, in the one that can be merged."""
    name, in_service = path[-1], len(path) == 3 and path[0] == "services"
    if name == "build" and in_service and isinstance(node, Scalar):
        return Map({"context": node}, node.location, {"context": node.location})
    if name in ("dns", "tmpfs", "env_file") and in_service and isinstance(node, Scalar):
        return List((node,), node.location)
    if not isinstance(node, List):
        return node
    if name in ("depends_on", "networks") and in_service:
        return _as_map(
            node, lambda item: _condition(item) if name == "depends_on" else Scalar(None, item.location)
        )
    return (
        list_to_map(node, ":" if name == "extra_hosts" else "") if name in _NAMED and _is_rule(path) else node
    )


def _as_map(node: List, value: Callable[[Node], Node]) -> Map:
    names = {item.text: item for item in node.items if isinstance(item, Scalar)}
    entries = {name: value(item) for name, item in names.items()}
    return Map(entries, node.location, {name: item.location for name, item in names.items()})


def _condition(item: Node) -> Node:
    started = Scalar("service_started", item.location)
    return Map({"condition": started}, item.location, {"condition": item.location})


def list_to_map(node: List, other_sign: str = "") -> Map:
    """A list of NAME=VALUE as a mapping; a name alone has no value. `other_sign` may stand for the `=`."""
    entries: dict[str, Node] = {}
    keys: dict[str, Location] = {}
    for item in node.items:
        if isinstance(item, Scalar):
            sign = other_sign if other_sign and "=" not in item.text else "="
            name, equals, value = item.text.partition(sign)
            entries[name] = Scalar(value if equals else None, item.location)
            keys[name] = item.location
    return Map(entries, node.location, keys)


def _joined(base: List, over: List, path: Path) -> tuple[Node, ...]:
    name, rule = path[-1], _is_rule(path)
    keys: dict[str, Key] = {"volumes": _target, "devices": _target, "ports": _port, "watch": _watched}
    key = keys.get(name) if rule else None
    if key is None and name in _SETS and rule:
        key = _written
    if key is None:
        return (*base.items, *over.items)
    found: dict[object, Node] = {}
    for item in (*base.items, *over.items):
        found[key(item)] = item
    return tuple(found.values())


def _written(node: Node) -> object:
    return (
        _target_of(node, "path")
        if isinstance(node, Map)
        else node.text
        if isinstance(node, Scalar)
        else id(node)
    )


def _watched(node: Node) -> object:
    return _target_of(node, "path")


def _target(node: Node) -> object:
    """Where a mount or a device appears in the container."""
    if isinstance(node, Scalar):
        words = node.text.split(":")
        return words[1] if len(words) > 1 else words[0]
    return _target_of(node, "target")


def _target_of(node: Node, key: str) -> object:
    value = node.get(key) if isinstance(node, Map) else None
    return value.text if isinstance(value, Scalar) else id(node)


def _port(node: Node) -> object:
    """The same port written in two ways is one."""
    if isinstance(node, Map):
        host_ip, published, target, protocol = (
            value.text if isinstance(value := node.get(key), Scalar) else ""
            for key in ("host_ip", "published", "target", "protocol")
        )
        return host_ip, published, target, protocol or "tcp"
    words, _, protocol = (node.text if isinstance(node, Scalar) else "").partition("/")
    rest, _, target = words.rpartition(":")
    host_ip, _, published = rest.rpartition(":")
    return host_ip, published, target, protocol or "tcp"

"""Merge compose files by the rules of the compose specification.

Source: https://github.com/compose-spec/compose-spec/blob/main/13-merge.md

Mappings are merged key by key, lists are concatenated, and scalars replaced. Some lists are a short form of a
mapping (`environment`), some have one item per key (`volumes`, by target), and some are replaced as a whole
(`command`). `!reset` removes a value, `!override` replaces it without merging.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from resin_toolkit.compose.nodes import List, Location, Map, Node, Scalar

Path = tuple[str, ...]
Key = Callable[[Node], object]

_REPLACED = {"command", "entrypoint", "test"}
"""Lists that are replaced as a whole."""
_NAME_VALUE = {"environment", "labels", "args", "sysctls", "driver_opts", "extra_hosts", "annotations"}
"""Lists of NAME=VALUE that may be written as mappings."""
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
"""Lists without duplicates."""


def merge(base: Map, over: Map) -> Map:
    """Merge the file `over` into `base`."""
    return _merge_maps(base, over, ())


def merge_service(base: Map, over: Map) -> Map:
    """Merge the service `over` into `base`, for `extends`."""
    return _merge_maps(base, over, ("services", "*"))


def remove_resets(node: Node) -> Node:
    """Return a tree without the values that are tagged `!reset`."""
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
    if over.tag == "override" or (name in _REPLACED and _is_compose_key(path)):
        return over
    if isinstance(over, Scalar) and over.value is None:
        # A variable without a value takes that of this process; elsewhere an empty value changes nothing.
        return over if len(path) > 3 and path[-2] in _NAME_VALUE else base
    base, over = _long_form(base, path), _long_form(over, path)
    if isinstance(base, Map) and isinstance(over, Map):
        if name == "logging" and _differs(base, over, "driver"):
            return over
        return _merge_maps(base, over, path)
    if isinstance(base, List) and isinstance(over, List):
        return replace(base, items=_concatenate(base, over, path), location=over.location)
    return over


def _is_compose_key(path: Path) -> bool:
    """Whether the last step is a key of compose, not a service, network or variable of that name."""
    return len(path) == 3 or (len(path) > 3 and path[-2] not in {*_NAME_VALUE, "networks", "depends_on"})


def _differs(base: Map, over: Map, key: str) -> bool:
    first, second = base.get(key), over.get(key)
    return isinstance(first, Scalar) and isinstance(second, Scalar) and first.value != second.value


def _long_form(node: Node, path: Path) -> Node:
    """The long form, which can be merged, of a value that also has a short form."""
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
        list_to_map(node, ":" if name == "extra_hosts" else "")
        if name in _NAME_VALUE and _is_compose_key(path)
        else node
    )


def _as_map(node: List, value: Callable[[Node], Node]) -> Map:
    names = {item.text: item for item in node.items if isinstance(item, Scalar)}
    entries = {name: value(item) for name, item in names.items()}
    return Map(entries, node.location, {name: item.location for name, item in names.items()})


def _condition(item: Node) -> Node:
    started = Scalar("service_started", item.location)
    return Map({"condition": started}, item.location, {"condition": item.location})


def list_to_map(node: List, separator: str = "") -> Map:
    """Convert a list of NAME=VALUE to a mapping; a name alone has no value. `separator` may replace `=`."""
    entries: dict[str, Node] = {}
    keys: dict[str, Location] = {}
    for item in node.items:
        if isinstance(item, Scalar):
            used = separator if separator and "=" not in item.text else "="
            name, equals, value = item.text.partition(used)
            entries[name] = Scalar(value if equals else None, item.location, taken=item.taken)
            keys[name] = item.location
    return Map(entries, node.location, keys)


def _concatenate(base: List, over: List, path: Path) -> tuple[Node, ...]:
    name, is_key = path[-1], _is_compose_key(path)
    keys: dict[str, Key] = {"volumes": _target, "devices": _target, "ports": _port, "watch": _watch_path}
    key = keys.get(name) if is_key else None
    if key is None and name in _SETS and is_key:
        key = _item
    if key is None:
        return (*base.items, *over.items)
    found: dict[object, Node] = {}
    for item in (*base.items, *over.items):
        found[key(item)] = item
    return tuple(found.values())


def _item(node: Node) -> object:
    return (
        _field(node, "path") if isinstance(node, Map) else node.text if isinstance(node, Scalar) else id(node)
    )


def _watch_path(node: Node) -> object:
    return _field(node, "path")


def _target(node: Node) -> object:
    """The path of a mount or a device in the container."""
    if isinstance(node, Scalar):
        words = node.text.split(":")
        return words[1] if len(words) > 1 else words[0]
    return _field(node, "target")


def _field(node: Node, key: str) -> object:
    value = node.get(key) if isinstance(node, Map) else None
    return value.text if isinstance(value, Scalar) else id(node)


def _port(node: Node) -> object:
    """A port in short and in long form compares equal."""
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

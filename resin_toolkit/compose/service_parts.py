"""The smaller parts of a service: what it waits for, networks, devices, hosts, health, watched files."""

from __future__ import annotations

from ipaddress import ip_address

from resin_toolkit.compose.nodes import Leaf, List, Map, Node
from resin_toolkit.compose.problems import Unusable, Where, told
from resin_toolkit.compose.values import duration, flag, read, text, whole, words
from resin_toolkit.project.application import (
    Action,
    Condition,
    DeviceNode,
    HealthCheck,
    NetworkUse,
    WatchRule,
)

_ACTIONS = ", ".join(Action)


def depends_on(node: Node | None) -> dict[str, Condition]:
    if isinstance(node, List):
        return dict.fromkeys(words(node), Condition.STARTED)
    entries = node.entries.items() if isinstance(node, Map) else ()
    return {
        name: Condition(text(entry.get("condition")))
        for name, entry in entries
        if isinstance(entry, Map) and entry.get("condition")
    }


def networks(node: Node | None) -> dict[str, NetworkUse]:
    if isinstance(node, List):
        return dict.fromkeys(words(node), NetworkUse())
    found = {}
    for name, entry in node.entries.items() if isinstance(node, Map) else ():
        given = entry if isinstance(entry, Map) else Map({}, entry.place)
        found[name] = NetworkUse(
            words(given.get("aliases")), text(given.get("ipv4_address")), text(given.get("ipv6_address"))
        )
    return found


def devices(node: Node | None, where: Where) -> tuple[DeviceNode, ...]:
    found: list[DeviceNode] = []
    for number, item in enumerate(node.items if isinstance(node, List) else ()):
        with told(where / number, item):
            found.append(_device(item))
    return tuple(found)


def _device(item: Node) -> DeviceNode:
    if isinstance(item, Map):
        host, inside, permissions = (text(item.get(key)) for key in ("source", "target", "permissions"))
    else:
        words_of = text(item).split(":")
        if len(words_of) > 3:
            raise Unusable("has too many colons", "It is /dev/HOST:/dev/CONTAINER:rwm.")
        host, inside, permissions = [*words_of, "", ""][:3]
    if inside and not inside.startswith("/") and not permissions:
        inside, permissions = "", inside
    if not host.startswith("/"):
        raise Unusable(f"is no device file: {host}", "It is a path of the board: /dev/i2c-1.")
    if not set(permissions) <= set("rwm"):
        raise Unusable(
            f"has permissions that do not exist: {permissions}", "They are of the letters r, w and m."
        )
    return DeviceNode(host, inside or host, permissions or "rwm")


def extra_hosts(node: Node | None, where: Where) -> tuple[str, ...]:
    found: list[str] = []
    if isinstance(node, Map):
        for name, value in node.entries.items():
            found += [f"{name}:{_address(word)}" for word in words(value)]
        return tuple(found)
    for number, item in enumerate(node.items if isinstance(node, List) else ()):
        with told(where / number, item):
            found.append(_host(text(item)))
    return tuple(found)


def _host(written: str) -> str:
    sign = "=" if "=" in written else ":"
    name, _, address = written.partition(sign)
    if not name or not address:
        raise Unusable(f"is no host with an address: {written}", "Write it as name:192.168.1.5.")
    return f"{name}:{_address(address)}"


def _address(word: str) -> str:
    """An address without the brackets that IPv6 may have; other words, as host-gateway, are the engine's."""
    bare = word.strip().removeprefix("[").removesuffix("]")
    try:
        return str(ip_address(bare))
    except ValueError:
        return bare


def healthcheck(node: Node | None, where: Where) -> HealthCheck | None:
    if not isinstance(node, Map):
        return None
    if read(node.get("disable"), where / "disable", flag, False):
        return HealthCheck(("NONE",))
    return HealthCheck(
        _test(node.get("test"), where / "test"),
        read(node.get("interval"), where / "interval", duration, 0.0),
        read(node.get("timeout"), where / "timeout", duration, 0.0),
        read(node.get("retries"), where / "retries", whole, 0),
        read(node.get("start_period"), where / "start_period", duration, 0.0),
    )


def _test(node: Node | None, where: Where) -> tuple[str, ...]:
    if isinstance(node, Leaf):
        return ("CMD-SHELL", node.text)
    test = words(node)
    if node is not None and (not test or test[0] not in ("NONE", "CMD", "CMD-SHELL")):
        where.bad(node, "does not begin with CMD, CMD-SHELL or NONE", "Write it as [CMD, program, argument].")
    return test


def watch(develop: Node | None, where: Where) -> tuple[WatchRule, ...]:
    rules = develop.get("watch") if isinstance(develop, Map) else None
    found: list[WatchRule] = []
    for number, rule in enumerate(rules.items if isinstance(rules, List) else ()):
        if isinstance(rule, Map):
            with told(where / number, rule):
                found.append(_rule(rule))
    return tuple(found)


def _rule(rule: Map) -> WatchRule:
    word, path, target = (text(rule.get(key)) for key in ("action", "path", "target"))
    if word not in list(Action):
        raise Unusable(f"has an action that is not supported on a device: {word}", f"There are {_ACTIONS}.")
    action = Action(word)
    if action in (Action.SYNC, Action.SYNC_RESTART) and not target.startswith("/"):
        raise Unusable(
            f"needs an absolute target for the action {word}", "Add `target:`, a path in the container."
        )
    folder = rule.entries["path"].place.base
    return WatchRule(
        action, (folder / path).resolve(), target, words(rule.get("ignore")), words(rule.get("include"))
    )

"""The smaller parts of a service: what it waits for, networks, devices, hosts, health, watched files."""

from __future__ import annotations

from ipaddress import ip_address

from resin_toolkit.compose.nodes import List, Map, Node, Scalar
from resin_toolkit.compose.problems import InvalidValue, ValuePath, collecting_problems
from resin_toolkit.compose.values import (
    parse_bool,
    parse_duration,
    parse_integer,
    parse_scalar,
    strings,
    text,
)
from resin_toolkit.project.application import (
    DependencyCondition,
    DeviceNode,
    HealthCheck,
    NetworkUse,
    WatchAction,
    WatchRule,
)

_ACTIONS = ", ".join(WatchAction)


def read_depends_on(node: Node | None) -> dict[str, DependencyCondition]:
    if isinstance(node, List):
        return dict.fromkeys(strings(node), DependencyCondition.STARTED)
    entries = node.entries.items() if isinstance(node, Map) else ()
    return {
        name: DependencyCondition(text(entry.get("condition")))
        for name, entry in entries
        if isinstance(entry, Map) and entry.get("condition")
    }


def read_service_networks(node: Node | None) -> dict[str, NetworkUse]:
    if isinstance(node, List):
        return dict.fromkeys(strings(node), NetworkUse())
    found = {}
    for name, entry in node.entries.items() if isinstance(node, Map) else ():
        given = entry if isinstance(entry, Map) else Map({}, entry.location)
        found[name] = NetworkUse(
            strings(given.get("aliases")), text(given.get("ipv4_address")), text(given.get("ipv6_address"))
        )
    return found


def read_devices(node: Node | None, path: ValuePath) -> tuple[DeviceNode, ...]:
    found: list[DeviceNode] = []
    for number, item in enumerate(node.items if isinstance(node, List) else ()):
        with collecting_problems(path / number, item):
            found.append(_device(item))
    return tuple(found)


def _device(item: Node) -> DeviceNode:
    if isinstance(item, Map):
        host, inside, permissions = (text(item.get(key)) for key in ("source", "target", "permissions"))
    else:
        words_of = text(item).split(":")
        if len(words_of) > 3:
            raise InvalidValue("has too many colons", "It is /dev/HOST:/dev/CONTAINER:rwm.")
        host, inside, permissions = [*words_of, "", ""][:3]
    if inside and not inside.startswith("/") and not permissions:
        inside, permissions = "", inside
    if not host.startswith("/"):
        raise InvalidValue(f"is not a device file: {host}", "It is a path of the board: /dev/i2c-1.")
    if not set(permissions) <= set("rwm"):
        raise InvalidValue(f"has unknown permissions: {permissions}", "They are of the letters r, w and m.")
    return DeviceNode(host, inside or host, permissions or "rwm")


def read_extra_hosts(node: Node | None, path: ValuePath) -> tuple[str, ...]:
    found: list[str] = []
    if isinstance(node, Map):
        for name, value in node.entries.items():
            found += [f"{name}:{_address(word)}" for word in strings(value)]
        return tuple(found)
    for number, item in enumerate(node.items if isinstance(node, List) else ()):
        with collecting_problems(path / number, item):
            found.append(_host(text(item)))
    return tuple(found)


def _host(written: str) -> str:
    sign = "=" if "=" in written else ":"
    name, _, address = written.partition(sign)
    if not name or not address:
        raise InvalidValue(f"is no host with an address: {written}", "Write it as name:192.168.1.5.")
    return f"{name}:{_address(address)}"


def _address(word: str) -> str:
    """An address without the brackets that IPv6 may have; other words, as host-gateway, are the engine's."""
    bare = word.strip().removeprefix("[").removesuffix("]")
    try:
        return str(ip_address(bare))
    except ValueError:
        return bare


def read_healthcheck(node: Node | None, path: ValuePath) -> HealthCheck | None:
    if not isinstance(node, Map):
        return None
    if parse_scalar(node.get("disable"), path / "disable", parse_bool, False):
        return HealthCheck(("NONE",))
    return HealthCheck(
        _test(node.get("test"), path / "test"),
        parse_scalar(node.get("interval"), path / "interval", parse_duration, 0.0),
        parse_scalar(node.get("timeout"), path / "timeout", parse_duration, 0.0),
        parse_scalar(node.get("retries"), path / "retries", parse_integer, 0),
        parse_scalar(node.get("start_period"), path / "start_period", parse_duration, 0.0),
    )


def _test(node: Node | None, path: ValuePath) -> tuple[str, ...]:
    if isinstance(node, Scalar):
        return ("CMD-SHELL", node.text)
    test = strings(node)
    if node is not None and (not test or test[0] not in ("NONE", "CMD", "CMD-SHELL")):
        path.add_problem(
            node, "does not begin with CMD, CMD-SHELL or NONE", "Write it as [CMD, program, argument]."
        )
    return test


def read_watch_rules(develop: Node | None, path: ValuePath) -> tuple[WatchRule, ...]:
    rules = develop.get("watch") if isinstance(develop, Map) else None
    found: list[WatchRule] = []
    for number, rule in enumerate(rules.items if isinstance(rules, List) else ()):
        if isinstance(rule, Map):
            with collecting_problems(path / number, rule):
                found.append(_rule(rule))
    return tuple(found)


def _rule(rule: Map) -> WatchRule:
    word, path, target = (text(rule.get(key)) for key in ("action", "path", "target"))
    if word not in list(WatchAction):
        raise InvalidValue(
            f"has an action that is not supported on a device: {word}", f"There are {_ACTIONS}."
        )
    action = WatchAction(word)
    if action in (WatchAction.SYNC, WatchAction.SYNC_RESTART) and not target.startswith("/"):
        raise InvalidValue(
            f"needs an absolute target for the action {word}", "Add `target:`, a path in the container."
        )
    folder = rule.entries["path"].location.base
    return WatchRule(
        action, (folder / path).resolve(), target, strings(rule.get("ignore")), strings(rule.get("include"))
    )

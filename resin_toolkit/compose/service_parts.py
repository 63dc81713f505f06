"""Readers for the parts of a service: build, environment, dependencies, networks, devices, health check, …"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

from resin_toolkit.compose import dotenv
from resin_toolkit.compose.load_context import LoadContext
from resin_toolkit.compose.nodes import List, Location, Map, Node, Scalar
from resin_toolkit.compose.problems import InvalidValue, ValuePath, collecting_problems
from resin_toolkit.compose.values import (
    environment,
    inherited,
    parse_bool,
    parse_duration,
    parse_integer,
    parse_scalar,
    string_map,
    strings,
    text,
)
from resin_toolkit.project.application import (
    Build,
    DependencyCondition,
    DeviceNode,
    HealthCheck,
    NetworkUse,
    WatchAction,
    WatchRule,
)

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/|[a-z-]+:")
_ACTIONS = ", ".join(WatchAction)


def read_build(node: Node | None, path: ValuePath, load_context: LoadContext) -> Build | None:
    """Return how the image of a service is built; None if it is not."""
    if isinstance(node, Scalar):
        node = Map({"context": node}, node.location, {"context": node.location})
    if not isinstance(node, Map):
        return None
    context = node.get("context") or Scalar(".", node.location)
    folder = _build_folder(context, path / "context")
    load_context.note(folder, f"{path / 'context'}")
    return Build(
        folder,
        text(node.get("dockerfile")) or None,
        text(node.get("target")),
        _arguments(node.get("args"), path / "args", load_context),
        strings(node.get("cache_from")),
        string_map(node.get("labels")),
        text(node.get("network")),
    )


def _arguments(node: Node | None, path: ValuePath, load_context: LoadContext) -> dict[str, str]:
    load_context.take(inherited(node, load_context.variables), f"{path}")
    return environment(node, load_context.variables)


def _build_folder(node: Node, path: ValuePath) -> Path:
    written = text(node)
    folder = (node.location.base / Path(written).expanduser()).resolve()
    if _REMOTE.match(written):
        path.add_problem(node, "is not a local folder", "Clone it and name the folder.")
    elif not os.path.isdir(folder):  # noqa: PTH112 - a path that is too long is no folder
        path.add_problem(node, f"names the folder {written}, which does not exist", "Check the spelling.")
    return folder


def read_service_environment(service: Map, path: ValuePath, load_context: LoadContext) -> dict[str, str]:
    """Return the variables of the `env_file`s in their order, overridden by `environment`."""
    found: dict[str, str] = {}
    taken: dict[str, Collection[str]] = {}
    for given, origins in _env_files(service.get("env_file"), path / "env_file", load_context):
        for name, value in given.items():
            if value is not None:
                found[name] = value
                taken[name] = origins.get(name, ())
            elif name in load_context.variables:
                found[name] = load_context.variables[name]
                taken[name] = load_context.origins.get(name, ())
    node = service.get("environment")
    own = environment(node, load_context.variables)
    load_context.take(inherited(node, load_context.variables), f"{path / 'environment'}")
    if load_context.access is not None:
        for name in taken.keys() - own.keys():
            load_context.access.take(taken[name], f"{path / 'env_file'}")
    return {**found, **own}


def _env_files(
    node: Node | None, path: ValuePath, load_context: LoadContext
) -> Iterator[tuple[dict[str, str | None], Mapping[str, Collection[str]]]]:
    items = node.items if isinstance(node, List) else (node,) if isinstance(node, Scalar) else ()
    for number, item in enumerate(items):
        entry = item if isinstance(item, Map) else Map({"path": item}, item.location)
        yield _env_file(entry, path / number, load_context)


def _env_file(
    entry: Map, path: ValuePath, load_context: LoadContext
) -> tuple[dict[str, str | None], Mapping[str, Collection[str]]]:
    """The variables of a file, and those of this process that they take."""
    named = entry.get("path") or entry
    file = (named.location.base / text(named)).resolve()
    is_required = parse_scalar(entry.get("required"), path / "required", parse_bool, True)
    if not is_required and not os.path.exists(file):  # noqa: PTH110 - a path that is too long is no file
        return {}, {}
    content = load_context.text(file, f"{path}", named.location)
    if content is None:
        return {}, {}
    at = Location(load_context.shown(file), 1, file.parent)
    file_format = text(entry.get("format"))
    if file_format == "raw":
        return dotenv.parse_raw(content, at, load_context.diagnostics), {}
    if file_format:
        path.add_problem(entry, f"has an unknown format: {file_format!r}", "Use `raw`, or remove the key.")
    taken: dict[str, set[str]] = {}
    variables, origins = load_context.variables, load_context.origins
    return dotenv.parse(content, at, variables, load_context.diagnostics, origins=origins, taken=taken), taken


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
            raise InvalidValue("has too many colons", "Use /dev/HOST:/dev/CONTAINER:rwm.")
        host, inside, permissions = [*words_of, "", ""][:3]
    if inside and not inside.startswith("/") and not permissions:
        inside, permissions = "", inside
    if not host.startswith("/"):
        raise InvalidValue(f"is not a device file: {host}", "Use a path on the device, such as /dev/i2c-1.")
    if not set(permissions) <= set("rwm"):
        raise InvalidValue(f"has unknown permissions: {permissions}", "Use the letters r, w and m.")
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
        raise InvalidValue(f"is not a host with an address: {written}", "Write it as name:192.168.1.5.")
    return f"{name}:{_address(address)}"


def _address(word: str) -> str:
    """An address without the brackets of IPv6; other values, such as host-gateway, are left to the engine."""
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
        raise InvalidValue(f"has an action that is not supported on a device: {word}", f"Use {_ACTIONS}.")
    action = WatchAction(word)
    if action in (WatchAction.SYNC, WatchAction.SYNC_RESTART) and not target.startswith("/"):
        raise InvalidValue(
            f"needs an absolute target for the action {word}", "Add `target:`, a path in the container."
        )
    folder = rule.entries["path"].location.base
    return WatchRule(
        action, (folder / path).resolve(), target, strings(rule.get("ignore")), strings(rule.get("include"))
    )

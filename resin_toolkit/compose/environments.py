"""The variables of a service: its `env_file`s in their order, and `environment` over them."""

from __future__ import annotations

from collections.abc import Iterator

from resin_toolkit.compose import dotenv
from resin_toolkit.compose.load_context import LoadContext
from resin_toolkit.compose.nodes import List, Location, Map, Node, Scalar
from resin_toolkit.compose.problems import ValuePath
from resin_toolkit.compose.values import environment, parse_bool, parse_scalar, text


def service_environment(service: Map, path: ValuePath, load_context: LoadContext) -> dict[str, str]:
    found: dict[str, str] = {}
    for given in _files(service.get("env_file"), path / "env_file", load_context):
        for name, value in given.items():
            if value is not None:
                found[name] = value
            elif name in load_context.variables:
                found[name] = load_context.variables[name]
    return {**found, **environment(service.get("environment"), load_context.variables)}


def _files(node: Node | None, path: ValuePath, load_context: LoadContext) -> Iterator[dict[str, str | None]]:
    items = node.items if isinstance(node, List) else (node,) if isinstance(node, Scalar) else ()
    for number, item in enumerate(items):
        entry = item if isinstance(item, Map) else Map({"path": item}, item.location)
        yield _file(entry, path / number, load_context)


def _file(entry: Map, path: ValuePath, load_context: LoadContext) -> dict[str, str | None]:
    named = entry.get("path") or entry
    file = (named.location.base / text(named)).resolve()
    if not parse_scalar(entry.get("required"), path / "required", parse_bool, True) and not file.exists():
        return {}
    content = load_context.text(file, named.location)
    if content is None:
        return {}
    at = Location(load_context.shown(file), 1, file.parent)
    kind = text(entry.get("format"))
    if kind == "raw":
        return dotenv.parse_raw(content, at, load_context.diagnostics)
    if kind:
        path.add_problem(entry, f"has an unknown format: {kind!r}", "There is `raw`; leave it out otherwise.")
    return dotenv.parse(content, at, load_context.variables, load_context.diagnostics)

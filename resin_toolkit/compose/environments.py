"""The variables of a service: its `env_file`s in their order, and `environment` over them."""

from __future__ import annotations

from collections.abc import Iterator

from resin_toolkit.compose import dotenv
from resin_toolkit.compose.load_context import Surroundings
from resin_toolkit.compose.nodes import Leaf, List, Map, Node, Place
from resin_toolkit.compose.problems import Where
from resin_toolkit.compose.values import environment, flag, read, text


def variables(service: Map, where: Where, around: Surroundings) -> dict[str, str]:
    found: dict[str, str] = {}
    for given in _files(service.get("env_file"), where / "env_file", around):
        for name, value in given.items():
            if value is not None:
                found[name] = value
            elif name in around.variables:
                found[name] = around.variables[name]
    return {**found, **environment(service.get("environment"), around.variables)}


def _files(node: Node | None, where: Where, around: Surroundings) -> Iterator[dict[str, str | None]]:
    items = node.items if isinstance(node, List) else (node,) if isinstance(node, Leaf) else ()
    for number, item in enumerate(items):
        entry = item if isinstance(item, Map) else Map({"path": item}, item.place)
        yield _file(entry, where / number, around)


def _file(entry: Map, where: Where, around: Surroundings) -> dict[str, str | None]:
    named = entry.get("path") or entry
    path = (named.place.base / text(named)).resolve()
    if not read(entry.get("required"), where / "required", flag, True) and not path.exists():
        return {}
    content = around.text(path, named.place)
    if content is None:
        return {}
    at = Place(around.shown(path), 1, path.parent)
    kind = text(entry.get("format"))
    if kind == "raw":
        return dotenv.parse_raw(content, at, around.findings)
    if kind:
        where.bad(
            entry, f"has a format that does not exist: {kind!r}", "There is `raw`; leave it out otherwise."
        )
    return dotenv.parse(content, at, around.variables, around.findings)

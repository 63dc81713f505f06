"""`build` of a service."""

from __future__ import annotations

import re
from pathlib import Path

from resin_toolkit.compose.load_context import LoadContext
from resin_toolkit.compose.nodes import Map, Node, Scalar
from resin_toolkit.compose.problems import ValuePath
from resin_toolkit.compose.values import environment, string_map, strings, text
from resin_toolkit.project.application import Build

_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/|[a-z-]+:")


def read_build(node: Node | None, path: ValuePath, load_context: LoadContext) -> Build | None:
    if isinstance(node, Scalar):
        node = Map({"context": node}, node.location, {"context": node.location})
    if not isinstance(node, Map):
        return None
    context = node.get("context") or Scalar(".", node.location)
    return Build(
        _folder(context, path / "context"),
        text(node.get("dockerfile")) or None,
        text(node.get("target")),
        environment(node.get("args"), load_context.variables),
        strings(node.get("cache_from")),
        string_map(node.get("labels")),
        text(node.get("network")),
    )


def _folder(node: Node, path: ValuePath) -> Path:
    written = text(node)
    folder = (node.location.base / Path(written).expanduser()).resolve()
    if _ELSEWHERE.match(written):
        path.add_problem(node, "is not a folder of the workstation", "Clone it, and name the folder.")
    elif not folder.is_dir():
        path.add_problem(node, f"names the folder {written}, which does not exist", "Check the spelling.")
    return folder

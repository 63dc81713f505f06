"""`build` of a service."""

from __future__ import annotations

import re
from pathlib import Path

from resin_toolkit.compose.load_context import Surroundings
from resin_toolkit.compose.nodes import Leaf, Map, Node
from resin_toolkit.compose.problems import Where
from resin_toolkit.compose.values import environment, text, texts, words
from resin_toolkit.project.application import Build

_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/|[a-z-]+:")


def build(node: Node | None, where: Where, around: Surroundings) -> Build | None:
    if isinstance(node, Leaf):
        node = Map({"context": node}, node.place, {"context": node.place})
    if not isinstance(node, Map):
        return None
    context = node.get("context") or Leaf(".", node.place)
    return Build(
        _folder(context, where / "context"),
        text(node.get("dockerfile")) or None,
        text(node.get("target")),
        environment(node.get("args"), around.variables),
        words(node.get("cache_from")),
        texts(node.get("labels")),
        text(node.get("network")),
    )


def _folder(node: Node, where: Where) -> Path:
    written = text(node)
    folder = (node.place.base / Path(written).expanduser()).resolve()
    if _ELSEWHERE.match(written):
        where.bad(node, "is not a folder of the workstation", "Clone it, and name the folder.")
    elif not folder.is_dir():
        where.bad(node, f"names the folder {written}, which does not exist", "Check the spelling.")
    return folder

"""Parse YAML to a tree of values with their lines.

PyYAML does the syntax. It resolves plain scalars by YAML 1.1, where `no` is false, `22:22` a number and `010`
eight; compose follows YAML 1.2, so scalars are resolved here. Anchors, aliases and merge keys are resolved;
the tags `!reset` and `!override` are kept for merging.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resin_toolkit.compose.nodes import List, Location, Map, Node, PlainValue, Scalar
from resin_toolkit.compose.problems import Diagnostics

if TYPE_CHECKING:
    from pathlib import Path

    import yaml

_LONGEST_NUMBER = 100
"""Characters; no value of a compose file has more digits, and Python refuses to convert over 4,300."""
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"[-+]?0o[0-7]+")
_HEXADECIMAL = re.compile(r"[-+]?0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, PlainValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_YAML = "tag:yaml.org,2002:"
_MERGE_TAGS = {"!reset": "reset", "!override": "override"}
_TAG_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "null": (type(None),),
}
_MAX_VALUES = 100_000
"""More than any real file has; a few lines of aliases to aliases would expand to billions."""


class _Unreadable(Exception):
    pass


def read_yaml(text: str, shown: str, base: Path, diagnostics: Diagnostics) -> Map | None:
    """Return the mapping that a file contains; None, after adding a problem, if it does not contain one."""
    import yaml

    start = Location(shown, 1, base)
    try:
        root = _compose(text)
        if root is None:
            diagnostics.add(start, "the file is empty", "Define at least one service under `services:`.")
            return None
        node = _Reader(shown, base, diagnostics).node(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        location = Location(shown, mark.line + 1 if mark else 1, base)
        diagnostics.add(
            location, f"this is not valid YAML: {error.problem or error.context}", _syntax_hint(error)
        )
        return None
    except yaml.YAMLError as error:
        diagnostics.add(start, f"this is not valid YAML: {getattr(error, 'reason', 'it cannot be read')}")
        return None
    except RecursionError:
        diagnostics.add(start, "the values are nested too deeply")
        return None
    except _Unreadable:
        return None
    if not isinstance(node, Map):
        diagnostics.add(
            node.location, "the file is not a mapping", "Begin it with `services:` or another key."
        )
        return None
    return node


def _compose(text: str) -> yaml.Node | None:
    import yaml

    class Loader(yaml.SafeLoader):
        count = 0

        def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
            """Stop early: the tree of a file takes some hundred times its size."""
            self.count += 1
            if self.count > _MAX_VALUES:
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.MarkedYAMLError(problem="the file has too many values", problem_mark=mark)
            return super().compose_node(parent, index)

        def resolve(self, kind: Any, _value: Any, implicit: Any) -> str:
            """Keep only whether a scalar is plain; `resolve_plain_scalar` does the rest."""
            if kind is yaml.ScalarNode:
                return "plain" if implicit[0] else f"{_YAML}str"
            return f"{_YAML}seq" if kind is yaml.SequenceNode else f"{_YAML}map"

    loader = Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
    finally:
        loader.dispose()
    return node


def _syntax_hint(error: yaml.MarkedYAMLError) -> str:
    if "\\t" in (error.problem or ""):
        return "Indent with spaces: YAML does not allow tabs."
    return "Check the indentation and quotes of this line and the one before."


def resolve_plain_scalar(text: str) -> PlainValue:
    """Return the value of a plain scalar by YAML 1.2. A number that is very long stays a text."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text.replace("0o", "", 1), 8)
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


@dataclass
class _Reader:
    shown: str
    base: Path
    diagnostics: Diagnostics
    count: int = 0

    def location(self, node: yaml.Node) -> Location:
        return Location(self.shown, node.start_mark.line + 1, self.base)

    def node(self, node: yaml.Node, inside: tuple[int, ...] = ()) -> Node:
        import yaml

        self.count += 1
        if id(node) in inside or self.count > _MAX_VALUES:
            why = "an anchor contains itself" if id(node) in inside else "the file has too many values"
            self.diagnostics.add(self.location(node), why)
            raise _Unreadable
        inside = (*inside, id(node))
        tag = _MERGE_TAGS.get(node.tag, "")
        if isinstance(node, yaml.MappingNode):
            return self.map(node, tag, inside)
        if isinstance(node, yaml.SequenceNode):
            return List(tuple(self.node(item, inside) for item in node.value), self.location(node), tag)
        return Scalar(self.leaf(node), self.location(node), tag)

    def leaf(self, node: yaml.Node) -> PlainValue:
        text: str = node.value
        if node.tag == "plain" or (node.tag in _MERGE_TAGS and not getattr(node, "style", None)):
            return resolve_plain_scalar(text)
        kind = node.tag.removeprefix(_YAML)
        if kind == "str" or node.tag in _MERGE_TAGS:
            return text
        value = resolve_plain_scalar(text)
        if not isinstance(value, _TAG_TYPES.get(kind, ())):
            self.diagnostics.add(
                self.location(node), f"the tag {node.tag} is not supported", "Remove the tag."
            )
        return value

    def map(self, node: yaml.MappingNode, tag: str, inside: tuple[int, ...]) -> Map:
        import yaml

        entries: dict[str, Node] = {}
        keys: dict[str, Location] = {}
        merged: list[Map] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.diagnostics.add(self.location(key), "a key is not a scalar")
                continue
            if key.value == "<<" and key.tag == "plain":
                merged += self.merged(value, inside)
                continue
            name = self.name(key)
            if name in entries:
                first = keys[name].line
                self.diagnostics.add(self.location(key), f"{name} is defined twice, first in line {first}")
                continue
            entries[name] = self.node(value, inside)
            keys[name] = self.location(key)
        for other in merged:
            # Explicit keys take precedence over merged ones, and earlier mappings over later ones.
            for name, value in other.entries.items():
                if name not in entries:
                    entries[name] = value
                    keys[name] = other.key_location(name)
        return Map(entries, self.location(node), keys, tag)

    def name(self, key: yaml.ScalarNode) -> str:
        return (
            Scalar(resolve_plain_scalar(key.value), self.location(key)).text or key.value
            if key.tag == "plain"
            else key.value
        )

    def merged(self, value: yaml.Node, inside: tuple[int, ...]) -> list[Map]:
        node = self.node(value, inside)
        found = list(node.items) if isinstance(node, List) else [node]
        maps = [item for item in found if isinstance(item, Map)]
        if len(maps) != len(found):
            self.diagnostics.add(
                self.location(value),
                "<< must refer to a mapping",
                "Use the anchor of a mapping: `<<: *a`.",
            )
        return maps

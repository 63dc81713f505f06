"""A file held against the published schema of compose files; what differs is told with its line.

Messages are made here, of names and kinds alone: the library's own quote the values, which may be secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from resin_toolkit.compose.nodes import List, Location, Map, Node, Scalar, format_path, to_plain
from resin_toolkit.compose.problems import Diagnostics

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Path = tuple[str | int, ...]
_KINDS = {
    "string": "a string",
    "object": "a mapping",
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "empty",
}


@cache
def _schema() -> dict[str, Any]:
    file = resources.files(__package__).joinpath("compose-spec.json")
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def validate(tree: Map, diagnostics: Diagnostics) -> None:
    """Tell all that the schema does not allow."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(_schema()).iter_errors(to_plain(tree)):
        for leaf in _leaves(error):
            _tell(leaf, tree, diagnostics)


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """The errors that a person would name: of several ways to write a value, of the one that was meant."""
    if error.validator not in ("oneOf", "anyOf") or not error.context:
        yield error
        return
    ways: dict[int, list[ValidationError]] = {}
    for below in error.context:
        ways.setdefault(int(below.schema_path[0]), []).append(below)
    meant = [way for way in ways.values() if not any(_other_kind(below, error) for below in way)]
    if len(meant) != 1:
        yield error
        return
    for below in meant[0]:
        yield from _leaves(below)


def _other_kind(below: ValidationError, error: ValidationError) -> bool:
    """Whether this way is out because the value is of another kind altogether."""
    return below.validator == "type" and len(below.absolute_path) == len(error.absolute_path)


def _tell(error: ValidationError, tree: Map, diagnostics: Diagnostics) -> None:
    path: Path = tuple(error.absolute_path)
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        _tell_unknown(error, path, tree, diagnostics)
        return
    text, hint = _sentence(error)
    diagnostics.add(location_of(tree, path), f"{format_path(path) or 'the file'} {text}", hint)


def _tell_unknown(error: ValidationError, path: Path, tree: Map, diagnostics: Diagnostics) -> None:
    known, patterns = _allowed(_of(error))
    instance: Any = error.instance
    for name in instance:
        if name in known or any(re.search(pattern, name) for pattern in patterns):
            continue
        close = get_close_matches(name, sorted(known), n=1)
        hint = f"Did you mean {close[0]}?" if close else ""
        if not known:
            hint = "Names have letters, digits, dots, dashes and underscores."
        diagnostics.add(
            key_location(tree, (*path, name)),
            f"{format_path((*path, name))} is not a key of the compose specification",
            hint,
        )


def _of(error: ValidationError) -> Mapping[str, Any]:
    schema: Any = error.schema
    return schema if isinstance(schema, dict) else {}


def _allowed(schema: Mapping[str, Any]) -> tuple[set[str], list[str]]:
    """The names, and the patterns of names, that a mapping of this schema may have."""
    names = set(schema.get("properties", ()))
    patterns = list(schema.get("patternProperties", ()))
    for part in schema.get("allOf", ()):
        below = _schema()["$defs"][part["$ref"].rpartition("/")[2]]
        more, further = _allowed(below)
        names |= more
        patterns += further
    return names, patterns


def _sentence(error: ValidationError) -> tuple[str, str]:
    """What is wrong with a value, and what to do about it."""
    expected: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "type" | "oneOf" | "anyOf":
            kinds = _kinds(_of(error))
            return f"must be {_or(kinds)}, not {_kind(error.instance)}", _quotes(error.instance, kinds)
        case "required":
            missing = next((name for name in expected if name not in instance), "")
            return f"is missing {missing}", f"Add `{missing}:`."
        case "enum":
            return f"must be one of {', '.join(map(str, expected))}", ""
        case "uniqueItems":
            return "has a duplicate item", "Leave out one of the two."
        case "pattern":
            return f"does not match {expected}", ""
        case "minimum" | "maximum":
            return f"is out of range: its {error.validator} is {expected}", ""
    return "is not as the compose specification wants it", ""


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    if "$ref" in schema:
        return _kinds(_schema()["$defs"][schema["$ref"].rpartition("/")[2]])
    if "type" in schema:
        kinds = schema["type"]
        return [kinds] if isinstance(kinds, str) else list(kinds)
    ways = schema.get("oneOf", schema.get("anyOf", ()))
    return list(dict.fromkeys(kind for way in ways for kind in _kinds(way)))


def _or(kinds: list[str]) -> str:
    words = [_KINDS[kind] for kind in kinds]
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = {str: "a string", dict: "a mapping", list: "a list", int: "a number", float: "a number"}
    return kinds.get(type(value), "empty")


def _quotes(value: object, kinds: list[str]) -> str:
    if "string" in kinds and isinstance(value, bool | int | float):
        return "Put it into quotes."
    return ""


def node_at(tree: Node, path: Path) -> Node | None:
    node: Node | None = tree
    for step in path:
        if isinstance(node, Map):
            node = node.get(str(step))
        elif isinstance(node, List) and isinstance(step, int):
            node = node.items[step]
        else:
            return None
    return node


def location_of(tree: Map, path: Path) -> Location:
    """Where a value stands: of a mapping or a list, which begin further down, the line of the name."""
    node = node_at(tree, path)
    if isinstance(node, Scalar) and node.value is not None:
        return node.location
    return key_location(tree, path)


def key_location(tree: Map, path: Path) -> Location:
    if not path:
        return tree.location
    above = node_at(tree, path[:-1])
    if isinstance(above, Map):
        return above.key_location(str(path[-1]))
    node = node_at(tree, path)
    return node.location if node is not None else tree.location

"""Validate a compose file against the published JSON schema, and report each error with its line.

The messages are built here, from keys and types only: those of jsonschema quote values, which may be secret.
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
_TYPE_NAMES = {
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
    """Report everything that the schema does not allow."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(_schema()).iter_errors(to_plain(tree)):
        for leaf in _leaves(error):
            _report(leaf, tree, diagnostics)


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """The errors to report: for a value with alternative forms, those of the form whose type matches."""
    if error.validator not in ("oneOf", "anyOf") or not error.context:
        yield error
        return
    alternatives: dict[int, list[ValidationError]] = {}
    for below in error.context:
        alternatives.setdefault(int(below.schema_path[0]), []).append(below)
    matching = [
        errors
        for errors in alternatives.values()
        if not any(_is_other_type(below, error) for below in errors)
    ]
    if len(matching) != 1:
        yield error
        return
    for below in matching[0]:
        yield from _leaves(below)


def _is_other_type(below: ValidationError, error: ValidationError) -> bool:
    """Whether an alternative fails because the value itself is of another type."""
    return below.validator == "type" and len(below.absolute_path) == len(error.absolute_path)


def _report(error: ValidationError, tree: Map, diagnostics: Diagnostics) -> None:
    path: Path = tuple(error.absolute_path)
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        _report_unknown_keys(error, path, tree, diagnostics)
        return
    text, hint = _sentence(error)
    diagnostics.add(location_of(tree, path), f"{format_path(path) or 'the file'} {text}", hint)


def _report_unknown_keys(error: ValidationError, path: Path, tree: Map, diagnostics: Diagnostics) -> None:
    known, patterns = _allowed_keys(_schema_of(error))
    instance: Any = error.instance
    for name in instance:
        if name in known or any(re.search(pattern, name) for pattern in patterns):
            continue
        close = get_close_matches(name, sorted(known), n=1)
        hint = f"Did you mean {close[0]}?" if close else ""
        if not known:
            hint = "Use letters, digits, dots, dashes and underscores."
        diagnostics.add(
            key_location(tree, (*path, name)),
            f"{format_path((*path, name))} is not a key of the compose specification",
            hint,
        )


def _schema_of(error: ValidationError) -> Mapping[str, Any]:
    schema: Any = error.schema
    return schema if isinstance(schema, dict) else {}


def _allowed_keys(schema: Mapping[str, Any]) -> tuple[set[str], list[str]]:
    """The keys, and the patterns of keys, that a mapping of this schema may have."""
    names = set(schema.get("properties", ()))
    patterns = list(schema.get("patternProperties", ()))
    for part in schema.get("allOf", ()):
        below = _schema()["$defs"][part["$ref"].rpartition("/")[2]]
        more, further = _allowed_keys(below)
        names |= more
        patterns += further
    return names, patterns


def _sentence(error: ValidationError) -> tuple[str, str]:
    """The problem of a value, and a hint."""
    expected: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "type" | "oneOf" | "anyOf":
            types = _types(_schema_of(error))
            return f"must be {_or(types)}, not {_type_of(error.instance)}", _quote_hint(error.instance, types)
        case "required":
            missing = next((name for name in expected if name not in instance), "")
            return f"is missing {missing}", f"Add `{missing}:`."
        case "enum":
            return f"must be one of {', '.join(map(str, expected))}", ""
        case "uniqueItems":
            return "has a duplicate item", "Remove one of the two."
        case "pattern":
            return f"does not match {expected}", ""
        case "minimum" | "maximum":
            return f"is out of range: its {error.validator} is {expected}", ""
    return "does not follow the compose specification", ""


def _types(schema: Mapping[str, Any]) -> list[str]:
    if "$ref" in schema:
        return _types(_schema()["$defs"][schema["$ref"].rpartition("/")[2]])
    if "type" in schema:
        types = schema["type"]
        return [types] if isinstance(types, str) else list(types)
    alternatives = schema.get("oneOf", schema.get("anyOf", ()))
    return list(dict.fromkeys(name for each in alternatives for name in _types(each)))


def _or(types: list[str]) -> str:
    words = [_TYPE_NAMES[name] for name in types]
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _type_of(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a string", dict: "a mapping", list: "a list", int: "a number", float: "a number"}
    return names.get(type(value), "empty")


def _quote_hint(value: object, types: list[str]) -> str:
    if "string" in types and isinstance(value, bool | int | float):
        return "Quote it."
    return ""


def node_at(tree: Node, path: Path) -> Node | None:
    """Return the value at a path; None if there is none."""
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
    """The location of a value; of a mapping or a list, which begin on a later line, that of its key."""
    node = node_at(tree, path)
    if isinstance(node, Scalar) and node.value is not None:
        return node.location
    return key_location(tree, path)


def key_location(tree: Map, path: Path) -> Location:
    """Return the location of the last key of a path."""
    if not path:
        return tree.location
    above = node_at(tree, path[:-1])
    if isinstance(above, Map):
        return above.key_location(str(path[-1]))
    node = node_at(tree, path)
    return node.location if node is not None else tree.location

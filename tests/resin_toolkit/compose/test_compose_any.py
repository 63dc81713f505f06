"""Files of any shape: they are read, or told to be wrong with a line; nothing else ever comes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from resin_toolkit.compose.loader import load_application
from resin_toolkit.compose.schema import _schema
from resin_toolkit.errors import BadValue, ComposeInvalid

WORDS = [
    "x",
    "80",
    "80:80",
    "/a:/b",
    "data:/c",
    "web",
    "a=1",
    "1s",
    "host",
    "always",
    "true",
    "!",
    "${X}",
    "CMD",
    "",
]
LEAVES = st.sampled_from(WORDS) | st.integers(-1, 70000) | st.booleans() | st.none() | st.floats(0, 2)


def shaped(definition: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values as the schema has them, but for a wrong one now and then."""
    if "$ref" in definition:
        return shaped(_schema()["$defs"][definition["$ref"].rpartition("/")[2]], depth)
    ways = [*definition.get("oneOf", ()), *definition.get("anyOf", ())]
    if ways:
        return st.one_of([shaped(way, depth + 1) for way in ways])
    if "enum" in definition:
        return st.sampled_from(definition["enum"])
    kinds = definition.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "array" and depth < 6:
        return st.lists(shaped(definition.get("items", {"type": "string"}), depth + 1), max_size=3)
    if kind == "object" and depth < 6:
        return mapping(definition, depth)
    return LEAVES


def mapping(definition: Any, depth: int) -> st.SearchStrategy[Any]:
    fields = dict(definition.get("properties", {}))
    for part in definition.get("allOf", ()):
        fields |= _schema()["$defs"][part["$ref"].rpartition("/")[2]]["properties"]
    named = [
        value for key, value in definition.get("patternProperties", {}).items() if key != "^x-" and value
    ]
    if not fields:
        inner = shaped(named[0], depth + 1) if named else LEAVES
        return st.dictionaries(st.sampled_from(["web", "db", "data", "default", "A"]), inner, max_size=3)
    required = set(definition.get("required", ()))
    return st.fixed_dictionaries(
        {key: st.deferred(lambda v=fields[key]: shaped(v, depth + 1)) for key in fields if key in required},
        optional={
            key: st.deferred(lambda v=v: shaped(v, depth + 1))
            for key, v in fields.items()
            if key not in required
        },
    )


SERVICES = st.dictionaries(
    st.sampled_from(["web", "db", "x-y"]),
    shaped({"$ref": "#/$defs/service"}).flatmap(
        lambda service: st.sets(st.sampled_from(sorted(service) or ["image"]), max_size=3).map(
            lambda kept: {"image": "x", **{key: service[key] for key in kept if key in service}}
        )
    ),
    min_size=1,
)


@settings(max_examples=examples(60), deadline=None)
@given(SERVICES, SERVICES)
def test_a_file_is_read_or_told(services: dict[str, Any], over: dict[str, Any]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        files = [folder / "compose.yaml", folder / "over.yaml"]
        top = {"volumes": {"data": None}, "networks": {"web": None}}
        files[0].write_text(json.dumps({"services": services, **top}, indent=1), encoding="utf-8")
        files[1].write_text(json.dumps({"services": over}, indent=1), encoding="utf-8")
        try:
            application = load_application(folder, files, environment={"X": "value"}, name="any")
        except ComposeInvalid as error:
            lines = error.message.splitlines()
            # The last line may be the one that counts what is not shown.
            assert all(re.match(r"\S+:[0-9]+: ", line) for line in lines[:10])
        else:
            assert application.name == "any"
            assert application.services


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_a_file_with_a_broken_line_is_read_or_told(data: st.DataObject) -> None:
    source = (
        Path(__file__).parent
        / "projects"
        / data.draw(st.sampled_from(["home.yml", "sensors.yml", "tunnel.yml"]))
    )
    lines = source.read_text(encoding="utf-8").splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines[number]
    at = data.draw(st.integers(0, len(line)))
    lines[number] = data.draw(
        st.sampled_from(["", line[:at], line[at:], f" {line}", f"{line}\n{line}", f"{line[:at]}${line[at:]}"])
        | st.sampled_from([":", "-", "[", "{", "&a ", "*a", "!reset ", "'", "#"]).map(
            lambda s: line[:at] + s + line[at:]
        )
    )
    with TemporaryDirectory() as name:
        (Path(name) / "compose.yaml").write_text("\n".join(lines), encoding="utf-8")
        try:
            load_application(Path(name), None, environment={}, name="any")
        except (ComposeInvalid, BadValue) as error:
            assert re.match(r"compose\.yaml:[0-9]+: ", error.message)  # noqa: PT017

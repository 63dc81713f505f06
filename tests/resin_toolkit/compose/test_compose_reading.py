"""YAML: what words mean, anchors, and the errors of an invalid file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resin_toolkit.compose.nodes import Map, to_plain
from resin_toolkit.compose.problems import Diagnostics
from resin_toolkit.compose.yaml_reader import read_yaml

HERE = Path("/")


def values(text: str) -> object:
    diagnostics = Diagnostics()
    node = read_yaml(text, "c.yml", HERE, diagnostics)
    assert diagnostics.problems == []
    assert node is not None
    return to_plain(node)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("False", False),
        ("tRue", "tRue"),
        ("~", None),
        ("", None),
        ("22:22", "22:22"),
        ("010", 10),
        ("0o17", 15),
        ("0x1f", 31),
        ("1_000", "1_000"),
        ("-3", -3),
        ("3.10", 3.1),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("2020-01-01", "2020-01-01"),
        ("'no'", "no"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("!!int 1", 1),
        ("!!bool true", True),
        ("=", "="),
    ],
)
def test_words_mean_what_yaml_1_2_says(word: str, value: object) -> None:
    found = values(f"a: {word}")
    assert isinstance(found, dict)
    assert found["a"] == value
    assert type(found["a"]) is type(value)


def test_anchors_and_merge_keys() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], c: 3}\nw: {a: 9, <<: *x}\n"
    text += "l: &l [1]\nm: *l\n"
    found = values(text)
    assert isinstance(found, dict)
    assert found["z"] == {"a": 1, "b": 1, "c": 3}
    assert found["w"] == {"a": 9, "b": 1}
    assert found["m"] == [1]


def test_values_know_their_line_and_names_theirs() -> None:
    node = read_yaml("a:\n  b:\n    - x\n    - y\nc: &c\n  d: 1\ne: {<<: *c}\n", "c.yml", HERE, Diagnostics())
    assert node is not None
    outer = node.get("a")
    assert isinstance(outer, Map)
    assert outer.key_location("b").line == 2
    merged = node.get("e")
    assert isinstance(merged, Map)
    assert merged.key_location("d").line == 6


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "c.yml:1: the file is empty."),
        ("# nothing\n", "c.yml:1: the file is empty."),
        ("- a\n", "c.yml:1: the file is not a mapping."),
        ("a: 1\nb: 2\na: 3\n", "c.yml:3: a is defined twice, first in line 1."),
        (
            "a: 1\n\tb: 2\n",
            "c.yml:2: this is not valid YAML: found character '\\t' that cannot start any token.",
        ),
        ("a: [1\nb: 2\n", "c.yml:2: this is not valid YAML: expected ',' or ']', but got ':'."),
        ("a: 'x\n", "c.yml:2: this is not valid YAML: found unexpected end of stream."),
        ("a: *none\n", "c.yml:1: this is not valid YAML: found undefined alias 'none'."),
        ("a: 1\n---\nb: 1\n", "c.yml:2: this is not valid YAML: but found another document."),
        ("a: &a\n  b: *a\n", "c.yml:1: an anchor contains itself."),
        ("a:\n  <<: 1\n", "c.yml:2: << must refer to a mapping."),
        ("a: 1\nb: !secret x\n", "c.yml:2: the tag !secret is not supported."),
        ("a: !!int x\n", "c.yml:1: the tag tag:yaml.org,2002:int is not supported."),
        ("[a, b]: 1\n", "c.yml:1: a key is not a scalar."),
        ("a: \x01\n", "c.yml:1: this is not valid YAML: special characters are not allowed."),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, problem: str) -> None:
    diagnostics = Diagnostics()
    read_yaml(text, "c.yml", HERE, diagnostics)
    assert [str(found) for found in diagnostics.problems] == [problem]


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    diagnostics = Diagnostics()
    assert read_yaml("\n".join(lines), "c.yml", HERE, diagnostics) is None
    assert [problem.text for problem in diagnostics.problems] == ["the file has too many values"]


def test_deep_nesting_is_told() -> None:
    diagnostics = Diagnostics()
    assert read_yaml("a: " + "[" * 5000 + "]" * 5000, "c.yml", HERE, diagnostics) is None
    assert diagnostics.problems


@given(st.text("ab:-[]{}&*!|>'\"#%@,? \n\t<", max_size=40))
def test_any_text_is_read_or_told(text: str) -> None:
    diagnostics = Diagnostics()
    assert read_yaml(text, "c.yml", HERE, diagnostics) is not None or diagnostics.problems

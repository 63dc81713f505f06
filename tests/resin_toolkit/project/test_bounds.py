"""Files of a project that would take minutes or gigabytes to read: each ends soon, with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from resin_toolkit.compose.loader import load_application
from resin_toolkit.errors import BadValue, ComposeInvalid
from resin_toolkit.project.dev_directives import parse_dev_directives
from resin_toolkit.project.dockerfile import parse_dockerfile
from resin_toolkit.project.ignore import IgnoreRules


@pytest.mark.parametrize(
    "text",
    [
        "RUN a\n" * 170_000,
        "FROM a\n" * 150_000,
        "RUN <<A\n" * 120_000,
        "".join(f"FROM a AS b{number}\n" for number in range(60_000)),
    ],
    ids=["instructions", "stages", "here-documents", "names"],
)
def test_a_dockerfile_of_many_instructions(text: str) -> None:
    with pytest.raises(BadValue, match="more than 5000 instructions"):
        parse_dockerfile(f"FROM x\n{text}")


def test_a_dockerfile_of_many_directives() -> None:
    with pytest.raises(BadValue, match="more than 500 #dev- directives"):
        parse_dev_directives("#dev-run=x\n" * 90_000)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("a\n" * 500_000, "more than 10000"), ("*" * 1_000_000, "characters"), ("**/" * 300_000, "characters")],
    ids=["patterns", "stars", "folders"],
)
def test_an_ignore_file(text: str, reason: str) -> None:
    with pytest.raises(BadValue, match=reason) as raised:
        IgnoreRules.parse(text)
    assert len(raised.value.message) < 250


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"e.env": "B=xxxxxxxx\n" + "B=$B$B\n" * 60}, "becomes too large"),
        ({".env": "A=" + "x" * 900_000, "compose.yaml": "services: {a: {image: '%s'}}" % ("${A}" * 100)},
         "becomes too large"),
        ({"e.env": f"#{'x' * 900_000}", "compose.yaml": "".join(
            ["services:\n", *(f" a{number}: {{image: x, env_file: e.env}}\n" for number in range(50))])},
         "larger than 8 MiB together"),
        ({"compose.yaml": f"services: [{'a,' * 150_000}]"}, "too many values"),
        ({"compose.yaml": "[" * 500_000}, "nested too deeply"),
    ],
    ids=["doubling", "repeated", "read again", "values", "depth"],
)  # fmt: skip
def test_a_compose_project(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    whole = {"compose.yaml": "services: {a: {image: x, env_file: e.env}}", **files}
    for name, text in whole.items():
        (tmp_path / name).write_text(text)
    with pytest.raises((ComposeInvalid, BadValue), match=reason):
        load_application(tmp_path, None, environment={}, name="x")

"""What the meaning of a saved file rests on: patterns, the context of a build, the base image."""

from __future__ import annotations

from pathlib import Path

import pytest

from resin_toolkit.live.mapping.mapping_inputs import BaseImage, FolderContext
from resin_toolkit.project.glob_patterns import is_pattern, matches
from resin_toolkit.project.ignore import IgnoreRules


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*", "a", True),
        ("*", "a/b", False),
        ("a*/b", "ax/b", True),
        ("?", "/", False),
        ("[^a]", "b", True),
        ("[^a]", "a", False),
        ("[a-c]x", "bx", True),
        ("[c-a]x", "bx", False),
        ("[\\]]", "]", True),
        ("[]a]", "a", False),
        ("[a", "a", False),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("a.b", "axb", False),
        ("a\\", "a", False),
        ("[^a]b", "/b", True),
    ],
)
def test_patterns_match_as_in_go(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


def test_recognising_patterns() -> None:
    assert [is_pattern(text) for text in ("a*", "a?", "[a", "\\*", "a\\[b", "\\\\*", "a")] == [
        *(True, True, True, False, False, True, False)
    ]


def test_the_context_of_a_folder(tmp_path: Path) -> None:
    for name in (".git/x", "a", "out/b", "out/keep"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to("a")
    context = FolderContext(tmp_path, IgnoreRules.parse("out\n!out/keep\n"))
    assert {path: str(kind) for path, kind in context.entries()} == {
        "a": "file",
        "link": "link",
        "out/keep": "file",
    }
    assert [context.kind(path) for path in ("out/b", ".git/x", "none")] == [None] * 3
    assert str(context.kind("out/keep")) == "file"


def test_a_base_image_is_read_from_its_configuration() -> None:
    config = {"Env": ["A=b=c"], "WorkingDir": "/w", "OnBuild": ["RUN x"], "Volumes": {"/v": {}}}
    assert BaseImage.of(config) == BaseImage({"A": "b=c"}, "/w", ("RUN x",), ("/v",))
    assert BaseImage.of({"Env": None, "OnBuild": None, "Volumes": None}) == BaseImage()

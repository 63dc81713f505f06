"""Patterns of hostile projects: matched in linear time, and as `re` would match them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resin_toolkit.project import ignore_syntax
from resin_toolkit.project.ignore_syntax import BadPattern
from resin_toolkit.project.linear_matcher import LinearMatcher

PIECES = [
    "*",
    "**",
    "**/",
    "?",
    "/",
    "a",
    "b",
    ".",
    "[ab]",
    "[^a]",
    "[a-b]",
    "\\*",
    "\\b",
    "\\B",
    "\\A",
    "\\z",
    "^",
    "\\d",
]


@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join), st.text("ab/.1*", min_size=1, max_size=12))
def test_both_matchers_agree(pattern: str, path: str) -> None:
    try:
        expression, _ = ignore_syntax._translate(pattern)
        parts = list(ignore_syntax._GoExpression(expression).parts())
        by_re = re.compile("".join(part.text for part in parts), re.ASCII).match(path) is not None
    except (BadPattern, re.error):
        return
    assert LinearMatcher([token for part in parts for token in part.tokens()])(path) is by_re


@pytest.mark.parametrize(
    "rule",
    [
        "*a*a*a*a*a*a*a*ab",
        "*a" * 60 + "b",
        "**/a" * 60 + "/b",
        "*[^b]" * 60 + "b",
        "**a" * 60 + "b",
        "x/" + "*a" * 60 + "b/c",
    ],
    ids=["T17", "stars", "folders", "classes", "double-stars", "folder-of-exception"],
)
def test_a_hostile_pattern_does_not_hang(rule: str) -> None:
    """With a backtracking matcher these take longer than the universe is old."""
    program = (
        "import sys; from resin_toolkit.project import glob_patterns\n"
        "from resin_toolkit.project.ignore import IgnoreRules\n"
        "rule = sys.argv[1]; rules = IgnoreRules.parse(f'**\\n!{rule}\\n')\n"
        "for path in ('a' * 400, 'x/' + 'a' * 250, 'a/' * 100 + 'a'):\n"
        "    _, state = rules.verdict(path); rules.is_ignored(path); rules.can_include_below(path, state)\n"
        "    glob_patterns.matches(rule, path)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, rule], timeout=120, check=False)
    assert ended.returncode == 0

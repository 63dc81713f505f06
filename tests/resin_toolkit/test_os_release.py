"""Reading os-release files."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from resin_toolkit.os_release import parse_os_release


def test_every_kind_of_quoting_is_read() -> None:
    text = '# a comment\n\nA=plain\nB="double \\"quoted\\""\nC=\'single\'\n D = spaced \nno assignment\nE=\n'
    expected = {"A": "plain", "B": 'double "quoted"', "C": "single", "D": "spaced", "E": ""}
    assert parse_os_release(text) == expected


def test_a_value_with_an_unmatched_quote_is_kept() -> None:
    assert parse_os_release("NAME=Resin's OS\nVERSION=2\n") == {"NAME": "Resin's OS", "VERSION": "2"}


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert all(name.isidentifier() for name in parse_os_release(text))

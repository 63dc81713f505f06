"""The table of faults is complete."""

from __future__ import annotations

from pathlib import Path

from faults.table import MODULES, everything
from resin_toolkit.cli.verb_table import VERBS

LEAST = 5
"""Faults of each verb."""
BY_ITSELF = {"emulate"}
"""What can go wrong with QEMU is tried beside the tests that boot it."""


def test_every_verb_has_its_faults() -> None:
    faults = everything()
    for entry in VERBS:
        tried = {(each.goes_wrong, each.code) for each in faults if each.verb == entry.name}
        assert len(tried) >= LEAST or entry.name in BY_ITSELF, entry.name
    assert {each.verb for each in faults} <= {entry.name for entry in VERBS}


def test_no_file_of_faults_is_left_out() -> None:
    files = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert files - {"table"} == set(MODULES)


def test_one_fault_is_one_thing() -> None:
    """An exit code that belongs to the error's code, and words that fit into a table."""
    for each in everything():
        assert "|" not in each.goes_wrong + each.does
        assert not each.does.endswith(".")

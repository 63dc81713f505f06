"""The table of faults is complete."""

from __future__ import annotations

from faults.table import everything
from resin_toolkit.cli.command_table import COMMANDS

LEAST = 5
"""Faults of each command."""
BY_ITSELF = {"emulate"}
"""What can go wrong with QEMU is tested beside the tests that boot it."""


def test_every_command_has_its_faults() -> None:
    faults = everything()
    for entry in COMMANDS:
        tried = {(each.goes_wrong, each.code) for each in faults if each.command == entry.name}
        assert len(tried) >= LEAST or entry.name in BY_ITSELF, (
            f"`{entry.name}` declares {len(tried)} of {LEAST} faults: add tests with @fault above them, "
            "see tests/faults/table.py"
        )


def test_every_fault_is_of_a_command() -> None:
    assert {each.command for each in everything()} <= {entry.name for entry in COMMANDS}


def test_the_texts_of_a_fault_fit_into_a_table() -> None:
    for each in everything():
        assert "|" not in each.goes_wrong + each.does, each
        assert not each.does.endswith("."), each

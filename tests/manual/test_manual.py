"""The manual page is what the commands document, well formed, and installed where man looks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import click
import pytest

import commands
import image_tools
import resin_toolkit
from manual.page import PAGE, date_of, page
from resin_toolkit.cli.command_table import COMMANDS
from resin_toolkit.cli.root import load_command
from resin_toolkit.errors import Exit

INSTALLED = "share/man/man1/resin.1"


def shown() -> str:
    """The page as a reader sees it, without emphasis."""
    done = subprocess.run(["mandoc", "-Tascii", PAGE], capture_output=True, text=True, check=True)
    return re.sub(r".\x08", "", done.stdout)


def section(title: str) -> str:
    found = re.search(rf"^{title}\n(.*?)^\S", shown(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_page_is_what_the_commands_say() -> None:
    kept = PAGE.read_text(encoding="utf-8")
    if kept != page(date_of(kept)):
        pytest.fail("completions/resin.1 is stale. Run tests/regenerate.", pytrace=False)


def test_it_is_well_formed() -> None:
    command = ["mandoc", "-Tlint", "-Wwarning", PAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_reader_finds_every_command_with_its_options_and_examples() -> None:
    text = " ".join(shown().split())
    for entry in COMMANDS:
        command = load_command(entry)
        for example in (command.epilog or "").splitlines()[2:]:
            assert " ".join(example.split()) in text
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert max(parameter.opts, key=len) in text


def test_it_names_every_exit_code_and_every_variable_that_is_read() -> None:
    codes = re.findall(r"^ {7}(\d+) ", section("EXIT STATUS"), re.MULTILINE)
    assert list(map(int, codes)) == list(Exit)
    named = set(re.findall(r"\bRESIN_[A-Z_]+", section("ENVIRONMENT")))
    assert named == variables()


def variables() -> set[str]:
    """What stands in our code as the name of a variable, and nothing else."""
    found = set()
    for package in (commands, image_tools, resin_toolkit):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= set(re.findall(r"^RESIN_[A-Z_]+$", node.value))
    return found


def test_a_wheel_brings_it_to_where_man_looks() -> None:
    placed = Path(sys.prefix) / INSTALLED
    listed = distribution("resin-toolkit").files or []
    files = [entry for entry in listed if entry.as_posix().endswith(INSTALLED)]
    assert [Path(str(entry.locate())).resolve() for entry in files] == [placed.resolve()]
    assert placed.read_bytes() == PAGE.read_bytes()

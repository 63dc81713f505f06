"""The documentation is current: what is generated matches the program, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from documentation.blocks import CHECKOUT, COMMAND, GENERATORS, blocks, pages, without_timing
from resin_toolkit.cli.command_table import COMMANDS

README = CHECKOUT / "README.md"
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
PAGES = {path.relative_to(CHECKOUT).as_posix(): path for path in pages()}
GENERATED = [(page, name) for page, path in PAGES.items() for name in blocks(path.read_text("utf-8"))]


@pytest.mark.parametrize(("page", "name"), GENERATED)
def test_generated_parts_are_current(page: str, name: str) -> None:
    stated = blocks(PAGES[page].read_text(encoding="utf-8"))[name]
    assert without_timing(stated) == without_timing(GENERATORS[name]()), f"run {COMMAND}"


def test_every_generator_is_used() -> None:
    assert {name for _, name in GENERATED} == set(GENERATORS)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_exist(page: str) -> None:
    text = PAGES[page].read_text(encoding="utf-8")
    for match in LINK.finditer(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        target = match[1] or match[2]
        if re.match(r"[a-z]+://", target):
            continue
        file, _, heading = target.partition("#")
        path = PAGES[page].parent / file if file else PAGES[page]
        assert path.exists(), target
        if heading:
            assert heading in headings(path), target


def headings(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_readme_is_short_and_names_every_page() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    for page in PAGES:
        assert page == "README.md" or f"({page})" in text, page


def test_the_first_screen_of_the_readme_has_the_two_commands() -> None:
    first = README.read_text(encoding="utf-8").splitlines()[:20]
    assert [line.split()[:2] for line in first if line.startswith("tests/run")] == [
        ["tests/run", "--demo"],
        ["tests/run", "#"],
    ]


def test_every_command_is_in_the_reference() -> None:
    found = headings(CHECKOUT / "docs" / "reference" / "commands.md")
    assert [entry.name for entry in COMMANDS if f"resin-{entry.name}" not in found] == []

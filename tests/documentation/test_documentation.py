"""The documentation is current: generated parts match the program, links resolve, and named files exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from documentation.blocks import (
    CHECKOUT,
    COMMAND,
    GENERATORS,
    blocks,
    package_imports,
    pages,
    without_timing,
)
from resin_toolkit.cli.command_table import COMMANDS

README = CHECKOUT / "README.md"
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
PAGES = {path.relative_to(CHECKOUT).as_posix(): path for path in pages()}
EXPLANATIONS = [page for page in PAGES if page.startswith("docs/explanation/")]
GENERATED = [(page, name) for page, path in PAGES.items() for name in blocks(path.read_text("utf-8"))]


@pytest.mark.parametrize(("page", "name"), GENERATED)
def test_generated_parts_are_current(page: str, name: str) -> None:
    stated = blocks(PAGES[page].read_text(encoding="utf-8"))[name]
    if without_timing(stated) != without_timing(GENERATORS[name]()):
        pytest.fail(f"{page}: the part `{name}` is stale. Run {COMMAND}.", pytrace=False)


def test_every_generator_is_used() -> None:
    assert {name for _, name in GENERATED} == set(GENERATORS)


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_links_lead_to_files_and_headings_that_exist(page: str) -> None:
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    for match in LINK.finditer(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        target = match[1] or match[2]
        if re.match(r"[a-z]+://", target):
            continue
        file, _, heading = target.partition("#")
        path = (CHECKOUT / page).parent / file if file else CHECKOUT / page
        assert path.exists(), target
        if heading:
            assert heading in headings(path), target


def test_the_architecture_describes_every_package() -> None:
    _, _, text = (
        PAGES["docs/explanation/architecture.md"].read_text(encoding="utf-8").partition("<!-- end -->")
    )
    described = {
        name
        for row in re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert set(package_imports()) - {"commands", "image_tools"} == described


OF_PROJECTS = {"resin.toml", "contexts/"}
"""Files that are named in these pages, and belong to a user."""


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/decisions.md", *EXPLANATIONS])
def test_files_that_are_named_exist(page: str) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    files = listed.stdout.splitlines()
    known = {*files, *(f"{folder}/" for file in files for folder in Path(file).parents)}
    text = re.sub(r"```.*?```", "", (CHECKOUT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for name in re.findall(r"`([\w./-]+(?:/|\.py|\.md|\.toml|\.txt))`", text):
        if "NAME" not in name and name not in OF_PROJECTS:
            assert any(path == name or path.endswith(f"/{name}") for path in known), f"{page} names {name}"


def test_the_names_in_contributing_are_those_of_the_code() -> None:
    text = re.sub(r"```.*?```", "", (CHECKOUT / "CONTRIBUTING.md").read_text("utf-8"), flags=re.DOTALL)
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    code = "\n".join((CHECKOUT / file).read_text(encoding="utf-8") for file in listed.stdout.splitlines())
    words = set(re.findall(r"\w+", code))
    named = set(re.findall(r"`([A-Z_]{4,}|[a-z]+_[a-z_]+|[A-Z][a-z]+[A-Z]\w+)`", text))
    assert len(named) > 10
    assert named - words - {"NAME"} == set()


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

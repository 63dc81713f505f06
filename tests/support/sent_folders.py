"""A folder that is sent for a build, with one of each kind of entry, and how its large file changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.sent_contexts import one_of_each


@pytest.fixture(name="folder")
def sent_folder(tmp_path: Path) -> Path:
    return one_of_each(tmp_path / "the project")


def rewrite(path: Path) -> None:
    """Change what a large file holds, and not how much."""
    with path.open("r+b") as file:
        file.seek(2 * 1024 * 1024)
        file.write(b"other")

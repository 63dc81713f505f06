"""A desk with one device, for the tests that push projects to it: one for each file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import pushed_projects
from support.pushed_projects import Bench, single


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    with pushed_projects.bench() as bench:
        yield bench


@pytest.fixture
def bench(made: Bench) -> Iterator[Bench]:
    """With nothing of the tests before on the device."""
    yield made
    made.clear()


@pytest.fixture
def garden(tmp_path: Path) -> Path:
    """A project with one service."""
    return single(tmp_path / "garden")

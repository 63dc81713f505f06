"""What the tests of faults share: one small image, one device for all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from device.stand_in import desk, stand_in
from support.boot_images import OS_RELEASE, Boot, boot_image
from support.pushed_projects import Bench, single


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boot:
    """An image with a configured boot partition, in the current folder."""
    monkeypatch.chdir(tmp_path)
    files = {
        "config.json": '{"hostname": "old"}',
        "os-release": OS_RELEASE,
        "big.bin": random.Random(3).randbytes(1024 * 1024),
    }
    return boot_image(tmp_path / "image.img", files)


@pytest.fixture(scope="session")
def made() -> Iterator[Bench]:
    with desk() as table, stand_in(table, "kitchen") as device:
        device.start("first", "true")
        device.docker("rm", "--force", "first")
        yield Bench(table, device)


@pytest.fixture
def bench(made: Bench) -> Iterator[Bench]:
    """A device with nothing of the tests before on it."""
    yield made
    made.clear()


@pytest.fixture
def garden(tmp_path: Path) -> Path:
    """A project with one service."""
    return single(tmp_path / "garden")

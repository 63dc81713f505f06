"""A device with an engine, for the tests that need nothing else: one for each file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from device.stand_in import StandIn
from support.engine_parts import connected, device_with_image

from resin_toolkit.engine import Engine


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """It has the image `stand-in`."""
    with device_with_image(tmp_path_factory.mktemp("home")) as device:
        yield device


@pytest.fixture(params=["tcp", "ssh", "1.22"])
def engine(request: pytest.FixtureRequest, kitchen: StandIn) -> Iterator[Engine]:
    """Its engine, by each way and as one of API 1.22."""
    with connected(kitchen, request.param) as found:
        yield found


@pytest.fixture
def modern(kitchen: StandIn) -> Iterator[Engine]:
    """Its engine by TCP."""
    with connected(kitchen, "tcp") as found:
        yield found

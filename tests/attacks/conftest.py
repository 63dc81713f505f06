"""A link with a device and a stranger, shared by the tests of a file; nothing that was sent stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.strange_network import StrangeNetwork, User, strange_network


@pytest.fixture(scope="module")
def shared_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StrangeNetwork]:
    with strange_network(tmp_path_factory.mktemp("first")) as made:
        yield made


@pytest.fixture
def network(shared_network: StrangeNetwork) -> StrangeNetwork:
    shared_network.clear()
    return shared_network


@pytest.fixture
def user(network: StrangeNetwork, tmp_path: Path) -> User:
    """One who knows the device."""
    return network.user(tmp_path)


@pytest.fixture
def newcomer(network: StrangeNetwork, tmp_path: Path) -> User:
    """One who has never used any device."""
    return network.user(tmp_path / "newcomer", knows_device=False)

"""How fast a link was, by the time that who sends takes for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resin_toolkit.project.project_state import ProjectState
from resin_toolkit.push.apply.image_build import LinkRate

MIB = 1024 * 1024


def pieces(count: int, pause: float = 0.0) -> Iterator[bytes]:
    for _ in range(count):
        time.sleep(pause)
        yield bytes(MIB)


def test_the_time_to_produce_data_does_not_count() -> None:
    link, started = LinkRate(), time.monotonic()
    for _ in link.measured(pieces(10, pause=0.05)):
        time.sleep(0.001)
    passed = time.monotonic() - started
    assert link.known is not None
    assert link.known > 0.99 * 10 * MIB / (passed - 10 * 0.05)


def test_a_slow_link_is_recognised() -> None:
    link = LinkRate(1e9)
    for _ in link.measured(pieces(8)):
        time.sleep(0.02)
    assert link.known is not None
    assert link.known <= 8 * MIB / (8 * 0.02)


def test_small_transfers_are_not_measured() -> None:
    link = LinkRate(5.0)
    for _ in link.measured(pieces(7)):
        continue
    assert link.known == 5.0


def test_the_rate_is_remembered_for_each_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    memory = ProjectState(tmp_path)
    assert memory.link_rate_to("A") is None
    assert memory.remember(rate=("A", 12345678.9)) == []
    assert (memory.link_rate_to("A"), memory.link_rate_to("B")) == (12345679.0, None)

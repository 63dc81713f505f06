"""No test leaves a thread behind, in each file that imports the fixture."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    for thread in left:
        # One that is ending may still be listed.
        thread.join(5)
    assert not [thread for thread in left if thread.is_alive()]

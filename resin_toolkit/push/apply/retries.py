"""Going on where the engine went away in the middle and is soon back: restarted, or a connection was cut."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from resin_toolkit.engine import Engine
from resin_toolkit.errors import EngineFailed, Unreachable

T = TypeVar("T")
RECONNECT_TIMEOUT = 10.0
"""Seconds within which an engine has to be back."""
_TIMES = 3
_PAUSE = 0.3


def retry_after_disconnect(
    engine: Engine, reconnect_timeout: float, work: Callable[[], T], again: Callable[[], object] = bool
) -> T:
    """What `work` returns, which can be done more than once; after a cut first `again`, then all of it anew.

    Raises Unreachable if the engine is not back within `reconnect_timeout` seconds, and what `work` raises.
    """
    for _ in range(_TIMES):
        try:
            return work()
        except Unreachable as error:
            _await(engine, reconnect_timeout, error)
            again()
    return work()


def _await(engine: Engine, reconnect_timeout: float, lost: Unreachable) -> None:
    deadline = time.monotonic() + reconnect_timeout
    while time.monotonic() < deadline:
        time.sleep(min(_PAUSE, reconnect_timeout))
        try:
            engine.time()
        except (Unreachable, EngineFailed):
            continue
        return
    raise lost

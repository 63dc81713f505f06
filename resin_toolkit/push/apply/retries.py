"""Retrying: after a lost connection, and while an engine refuses a container that is just exiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from resin_toolkit.engine import Engine
from resin_toolkit.engine.transport.http import NETWORK_ERRORS
from resin_toolkit.errors import EngineFailed, Unreachable

T = TypeVar("T")
RECONNECT_TIMEOUT = 10.0
"""Seconds within which an engine has to be reachable again."""
_CHECK_TIMEOUT = 3.0
_OUTAGES = 3
_RECONNECT_PAUSE = 0.3
_ATTEMPTS, _PAUSE = 10, 0.2
_FINAL = (400, 404, 409)
"""Status codes of a refusal that no retry changes: a bad request, a container or a name."""


def retry_after_disconnect(
    engine: Engine,
    reconnect_timeout: float,
    action: Callable[[], T],
    on_reconnect: Callable[[], object] = bool,
) -> T:
    """Return the result of `action`, which must be repeatable; repeat all of it after a lost connection.

    `on_reconnect` is called before each repetition, and like it repeated. The connection may be lost any
    number of times within `reconnect_timeout` seconds, which is one outage, and three outages are tolerated.
    Raises Unreachable after that, and at once if the engine accepts connections but did not answer; and what
    `action` raises.
    """
    outages, deadline = 0, 0.0
    while True:
        attempted = time.monotonic()
        try:
            if outages:
                on_reconnect()
            return action()
        except Unreachable as error:
            if error.facts.get("cause") == "no-answer" and _accepts_connections(engine):
                raise  # The link is up, but the engine hangs.
            now = time.monotonic()
            if not outages or now - attempted > reconnect_timeout:
                outages, deadline = outages + 1, now + reconnect_timeout
            if outages > _OUTAGES or now > deadline:
                raise
            _wait_for_engine(engine, deadline, error)


def _accepts_connections(engine: Engine) -> bool:
    try:
        engine.connections.ping(within=_CHECK_TIMEOUT)
    except Unreachable:
        return False
    except NETWORK_ERRORS as error:
        return isinstance(error, TimeoutError) and error.errno is None
    return True


def _wait_for_engine(engine: Engine, deadline: float, lost: Unreachable) -> None:
    while time.monotonic() < deadline:
        time.sleep(min(_RECONNECT_PAUSE, max(0.0, deadline - time.monotonic())))
        # An engine that is shutting down refuses new connections, but still answers on those it has.
        engine.connections.close_idle()
        try:
            engine.time()
        except (Unreachable, EngineFailed):
            continue
        return
    raise lost


def retry_while_exiting(action: Callable[[], object]) -> None:
    """Do something to a container that may exit at this moment.

    Between the exit of the process and the moment when the engine has noticed it, the engine still asks the
    runtime, which fails; the words depend on the runtime and its version ("cannot update a stopped
    container", "cannot update a deleted process", "container not running"). So any refusal is retried for
    two seconds, unless its status says that it is final. Raises EngineFailed.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            action()
        except EngineFailed as error:
            if attempt == _ATTEMPTS or is_final(error):
                raise
            time.sleep(_PAUSE)
        else:
            return


def is_final(error: EngineFailed) -> bool:
    """Whether a retry cannot change this refusal. A container that "is not running" exited just now."""
    return error.facts.get("status") in _FINAL and "not running" not in error.message

"""Recovery from a push that was interrupted: each service ends up with exactly one container."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from resin_toolkit.engine import Container, Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.errors import EngineFailed, ServiceNotFound
from resin_toolkit.project.names import RESTART_LABEL, container_name
from resin_toolkit.push.apply.conflicts import concurrent_push, is_name_taken, is_under_way
from resin_toolkit.push.apply.replacement import ContainerReplacer
from resin_toolkit.push.apply.restart_policies import (
    parse_restart_policy,
    read_restart_policy,
    set_restart_policy,
)
from resin_toolkit.push.plan.observed_state import ObservedService, observe, pusher_of

_PUSH_TIMEOUT = 60.0
"""Seconds to wait for another push to finish."""
_POLL = 0.5
_BEING_REMOVED = "marked for removal"

Report = Callable[[str, str], object]
"""Takes a service and the step that begins for it."""


def recover(
    engine: Engine, app: str, replacer: ContainerReplacer, report: Report
) -> dict[str, ObservedService]:
    """Finish or undo what an interrupted push began; return the containers, none or one for each service.

    A push by somebody else that is under way is waited for. Raises Refused if that takes too long.
    """
    deadline = time.monotonic() + _PUSH_TIMEOUT
    while True:
        try:
            return _recover(engine, app, replacer, report, deadline)
        except (ServiceNotFound, EngineFailed) as error:
            # Somebody else has just removed or renamed a container, or is removing it.
            is_gone = isinstance(error, ServiceNotFound) or _BEING_REMOVED in error.message
            if not is_gone or time.monotonic() > deadline:
                raise
            time.sleep(_POLL)


def _recover(
    engine: Engine, app: str, replacer: ContainerReplacer, report: Report, deadline: float
) -> dict[str, ObservedService]:
    while True:
        found = replacer.retry(lambda: observe(engine, app))
        pending = [observed for observed in found.values() if observed.next is not None]
        if not pending:
            replacer.retry(partial(_restore_policies, engine, found))
            return found
        others = [each for each in pending if _is_under_way(engine, each, replacer)]
        for observed in pending:
            if observed not in others:
                report(observed.service, "recovering from an interrupted push")
                _finish(engine, app, observed, replacer)
        if others and time.monotonic() > deadline:
            first = others[0]
            assert first.next is not None
            raise concurrent_push(first.service, engine.host, pusher_of(first.next))
        if others:
            report(others[0].service, "waiting for another push to finish")
            time.sleep(_POLL)


def _is_under_way(engine: Engine, observed: ObservedService, replacer: ContainerReplacer) -> bool:
    new = observed.next
    return new is not None and replacer.retry(lambda: is_under_way(engine, new))


def _finish(engine: Engine, app: str, observed: ObservedService, replacer: ContainerReplacer) -> None:
    """Keep the new container if it runs and the old one was not started again, else the old one."""
    old, new = observed.current, observed.next
    assert new is not None
    name = container_name(app, observed.service)
    if old is None and replacer.retry(lambda: is_name_taken(engine, name)):
        replacer.retry(lambda: Containers(engine).remove(new.id, force=True, volumes=True))
    elif old is None or (_runs(new) and not replacer.retry(lambda: _was_restarted(engine, old, new))):
        replacer.promote(new.labels.get(RESTART_LABEL, "no"), name, old.id if old else "", new.id)
    else:
        replacer.roll_back(old, new.id)


def _was_restarted(engine: Engine, old: Container, new: Container) -> bool:
    """Whether a restart of the engine in the grace period started the old container again.

    Both run then, and the new one still has no restart policy: it was not promoted.
    """
    return _runs(old) and read_restart_policy(engine, new.id) == "no"


def _restore_policies(engine: Engine, found: dict[str, ObservedService]) -> None:
    """Give a container its own policy again if an interrupted push left it with a temporary one."""
    for observed in found.values():
        current = observed.current
        if current is None or RESTART_LABEL not in current.labels:
            continue
        wanted = current.labels[RESTART_LABEL]
        now = read_restart_policy(engine, current.id)
        if parse_restart_policy(now)[0] != parse_restart_policy(wanted)[0]:
            set_restart_policy(engine, current.id, wanted)


def _runs(container: Container) -> bool:
    return container.state in ("running", "restarting", "paused")

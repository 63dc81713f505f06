"""Putting in order what a push left behind that was cut in the middle: exactly one container stays."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from resin_toolkit.engine import Container, Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.errors import EngineFailed, ServiceNotFound
from resin_toolkit.project.names import RESTART_LABEL, container_name
from resin_toolkit.push.apply.name_conflicts import is_name_taken
from resin_toolkit.push.apply.replacement import ContainerReplacer, concurrent_push, pusher
from resin_toolkit.push.apply.restart_policies import set_restart_policy
from resin_toolkit.push.plan.observed_state import ObservedService, observe, pusher_of

_PATIENCE = 60.0
"""Seconds for which somebody else's push is waited for."""
_FORGOTTEN = 900
"""Seconds by the device's clock after which another workstation's push is taken for one that was cut."""
_CLOCKS = 60
"""Seconds by which a clock may be set right while a push goes on."""
_PAUSE = 0.5
_IS_GOING = "marked for removal"


def recover(
    engine: Engine, app: str, replacer: ContainerReplacer, tell: Callable[[str, str], object]
) -> dict[str, ObservedService]:
    """The containers of an application, each service with none or one, after what was begun was ended.

    A push of somebody else that is under way is waited for. Raises Refused where that takes too long.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return _looked_after(engine, app, replacer, tell, deadline)
        except (ServiceNotFound, EngineFailed) as error:
            # Somebody else has removed, renamed or begun to remove what was there a moment ago.
            is_gone = isinstance(error, ServiceNotFound) or _IS_GOING in error.message
            if not is_gone or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)


def _looked_after(
    engine: Engine, app: str, replacer: ContainerReplacer, tell: Callable[[str, str], object], deadline: float
) -> dict[str, ObservedService]:
    while True:
        found = observe(engine, app)
        pending = [observed for observed in found.values() if observed.next is not None]
        if not pending:
            _right_policies(engine, found)
            return found
        others = [e for e in pending if e.next is not None and is_under_way(engine, e.next)]
        for observed in pending:
            if observed not in others:
                tell(observed.service, "ending a push that was cut")
                _end(engine, app, observed, replacer)
        if others and time.monotonic() > deadline:
            first = others[0]
            assert first.next is not None
            raise concurrent_push(first.service, engine.host, pusher_of(first.next))
        if others:
            tell(others[0].service, "waiting for somebody else's push")
            time.sleep(_PAUSE)


def is_under_way(engine: Engine, container: Container) -> bool:
    """Whether the push that made a container goes on still, as far as that can be known."""
    who, _, number = pusher_of(container).rpartition(":")
    if who == pusher().rpartition(":")[0] and who.endswith(f"@{socket.gethostname()}"):
        return number.isdecimal() and int(number) != os.getpid() and _is_alive(int(number))
    now = _seconds(engine)
    # One that is made later than now is of before a reboot that has set the clock back.
    return now is None or -_CLOCKS < now - container.created < _FORGOTTEN


def _end(engine: Engine, app: str, observed: ObservedService, replacer: ContainerReplacer) -> None:
    """The new container stays if it runs and the old one does not, else the old one does."""
    old, new = observed.current, observed.next
    assert new is not None
    name = container_name(app, observed.service)
    if old is None and is_name_taken(engine, name):
        Containers(engine).remove(new.id, force=True, volumes=True)
    elif old is None or (_runs(new) and not _was_begun_anew(engine, old, new)):
        replacer.promote(new.labels.get(RESTART_LABEL, "no"), name, old.id if old else "", new.id)
    else:
        replacer.roll_back(old, new.id)


def _was_begun_anew(engine: Engine, old: Container, new: Container) -> bool:
    """Whether a reboot in the grace period has started the old one again: then the new one had no policy."""
    if not _runs(old):
        return False
    host = Containers(engine).raw(new.id).get("HostConfig")
    policy = host.get("RestartPolicy") if isinstance(host, dict) else None
    name = policy.get("Name") if isinstance(policy, dict) else None
    return name in (None, "", "no")


def _right_policies(engine: Engine, found: dict[str, ObservedService]) -> None:
    """A container that a cut left with the policy of a change gets its own back."""
    containers = Containers(engine)
    for observed in found.values():
        current = observed.current
        if current is None or RESTART_LABEL not in current.labels:
            continue
        wanted = current.labels[RESTART_LABEL]
        host = containers.raw(current.id).get("HostConfig")
        policy = host.get("RestartPolicy") if isinstance(host, dict) else None
        now = policy.get("Name") if isinstance(policy, dict) else None
        if (now or "no") != wanted.partition(":")[0]:
            set_restart_policy(engine, current.id, wanted)


def _runs(container: Container) -> bool:
    return container.state in ("running", "restarting", "paused")


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _seconds(engine: Engine) -> float | None:
    """The engine's clock, in seconds since 1970; None where it does not say."""
    from resin_toolkit.engine.timestamps import SECOND, nanoseconds

    said = engine.time()
    return nanoseconds(said) / SECOND if said else None

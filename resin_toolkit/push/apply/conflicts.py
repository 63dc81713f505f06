"""Conflicts with other people's pushes: who is pushing, and whether a service was changed meanwhile."""

from __future__ import annotations

import os
import pwd
import socket

from resin_toolkit.engine import Container, Engine
from resin_toolkit.engine.timestamps import SECOND, nanoseconds
from resin_toolkit.errors import Refused, ResinError
from resin_toolkit.project.names import APP_LABEL, NEXT_SUFFIX, SERVICE_LABEL
from resin_toolkit.push.plan.observed_state import pusher_of
from resin_toolkit.untrusted_json import whole_number

_ABANDONED = 900
"""Seconds by the device's clock after which a push from another workstation counts as interrupted."""
_CLOCK_CORRECTION = 60
"""Seconds by which the clock may be corrected while a push is under way."""


def current_pusher() -> str:
    """The identity of this process, for others who look at the device: `user@host:PID`."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}:{os.getpid()}"


def is_under_way(engine: Engine, container: Container) -> bool:
    """Whether the push that created a container is still running, as far as that can be known."""
    who, _, pid = pusher_of(container).rpartition(":")
    if who == current_pusher().rpartition(":")[0] and who.endswith(f"@{socket.gethostname()}"):
        number = whole_number(pid)
        return number is not None and number != os.getpid() and _is_alive(number)
    device_time = engine.time()
    now = nanoseconds(device_time) / SECOND if device_time else None
    # A container from the future was created before a reboot that set the clock back.
    return now is None or -_CLOCK_CORRECTION < now - container.created < _ABANDONED


def is_name_taken(engine: Engine, name: str) -> bool:
    """Whether a container has that name."""
    return any(container.name == name for container in engine.containers(all=True))


def check_unchanged(engine: Engine, app: str, service: str, name: str, old: Container | None) -> None:
    """Raise Refused if a foreign container has `name`, or `old` is no longer the service's container.

    To be called once the new container exists: its name locks out all other pushes of the service.
    """
    containers = [c for c in engine.containers(all=True) if not c.name.endswith(NEXT_SUFFIX)]
    own = [c for c in containers if (c.labels.get(APP_LABEL), c.labels.get(SERVICE_LABEL)) == (app, service)]
    if any(c.name == name and c not in own for c in containers):
        raise Refused(
            f"{engine.host} has a container {name} that is not of this application.",
            hint="Rename or remove it on the device, or choose another application name with `--name`.",
        )
    now = own[0] if own else None
    if (now.id if now else "") != (old.id if old else ""):
        raise changed_meanwhile(service, engine.host, now)


def changed_meanwhile(service: str, host: str, now: Container | None = None) -> ResinError:
    """The error for a service whose container `now` is another one than before, or gone."""
    who = pusher_of(now).rpartition(":")[0] if now else ""
    return Refused(
        f"{_someone(who)} changed {service} on {host} during this push.",
        hint="Push again if your version should replace theirs.",
    )


def concurrent_push(service: str, host: str, pusher: str = "") -> ResinError:
    """The error for a service that `pusher` is pushing right now."""
    return Refused(
        f"{_someone(pusher.rpartition(':')[0])} is pushing {service} to {host} right now.",
        hint="Wait until that push has finished, then push again.",
    )


def _someone(who: str) -> str:
    return f"Somebody else ({who})" if who else "Somebody else"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OverflowError:
        return False
    return True

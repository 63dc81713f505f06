"""The place that a new container is to take: nobody else's, and as it was when it was looked at."""

from __future__ import annotations

from resin_toolkit.engine import Container, Engine
from resin_toolkit.errors import Refused, ResinError
from resin_toolkit.project.names import APP_LABEL, NEXT, SERVICE_LABEL
from resin_toolkit.push.plan.observed_state import pusher_of


def check_unchanged(engine: Engine, app: str, service: str, name: str, old: Container | None) -> None:
    """Raises Refused where somebody else's container has `name`, or `old` is no longer the service's.

    Asked once the new container is there, whose name keeps all other pushes of the service out.
    """
    there = [c for c in engine.containers(all=True) if not c.name.endswith(NEXT)]
    own = [c for c in there if (c.labels.get(APP_LABEL), c.labels.get(SERVICE_LABEL)) == (app, service)]
    if any(c.name == name and c not in own for c in there):
        raise Refused(
            f"{engine.host} has a container {name} that is not of this application.",
            hint="Rename or remove it there, or give the application another name by `--name`.",
        )
    now = own[0] if own else None
    if (now.id if now else "") != (old.id if old else ""):
        raise changed_meanwhile(service, engine.host, now)


def is_name_taken(engine: Engine, name: str) -> bool:
    """Whether a container has that name."""
    return any(container.name == name for container in engine.containers(all=True))


def changed_meanwhile(service: str, host: str, now: Container | None = None) -> ResinError:
    """Somebody else's container is there now, or none."""
    who = pusher_of(now).rpartition(":")[0] if now else ""
    return Refused(
        f"Somebody else{f' ({who})' if who else ''} has changed {service} on {host} meanwhile.",
        hint="Push again, if yours is still wanted.",
    )

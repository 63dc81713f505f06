"""The containers that an application has on a device."""

from __future__ import annotations

from dataclasses import dataclass

from resin_toolkit.engine import Container, Engine
from resin_toolkit.project.names import (
    APP_LABEL,
    HASH_LABEL,
    LIVE_SUFFIX,
    NEXT_SUFFIX,
    PUSHER_LABEL,
    SERVICE_LABEL,
)


@dataclass(frozen=True)
class ObservedService:
    """The containers of one service. It has both only while one replaces the other."""

    service: str
    current: Container | None
    next: Container | None

    @property
    def definition(self) -> str:
        """The hash of the current specification; empty without a container, or if files were synced to it."""
        if self.current is None or self.current.name.endswith(LIVE_SUFFIX):
            return ""
        return self.current.labels.get(HASH_LABEL, "")


def observe(engine: Engine, app: str) -> dict[str, ObservedService]:
    """The containers of an application by service, sorted by name."""
    found: dict[str, ObservedService] = {}
    containers = [c for c in _pushed_containers(engine) if c.labels[APP_LABEL] == app]
    for container in sorted(containers, key=lambda c: c.name):
        service = container.labels.get(SERVICE_LABEL, "")
        known = found.get(service, ObservedService(service, None, None))
        if container.name.endswith(NEXT_SUFFIX):
            found[service] = ObservedService(service, known.current, container)
        else:
            found[service] = ObservedService(service, container, known.next)
    return found


def list_apps(engine: Engine) -> list[str]:
    """The applications that were pushed to a device."""
    return sorted({container.labels[APP_LABEL] for container in _pushed_containers(engine)})


def _pushed_containers(engine: Engine) -> list[Container]:
    """The containers that push created. Its images pass the application's label on to the containers of build
    steps and of `docker run`, which have no label of a service.
    """
    return [c for c in engine.containers(all=True) if c.labels.get(APP_LABEL) and SERVICE_LABEL in c.labels]


def pusher_of(container: Container) -> str:
    """Who created a container: `user@host:PID`."""
    return container.labels.get(PUSHER_LABEL, "")

"""What an application has on a device: its containers, and the part that each plays."""

from __future__ import annotations

from dataclasses import dataclass

from resin_toolkit.engine import Container, Engine
from resin_toolkit.project.names import APP_LABEL, HASH_LABEL, LIVE, NEXT, PUSHER_LABEL, SERVICE_LABEL


@dataclass(frozen=True)
class ObservedService:
    """The containers of one service. Both are there only while one takes the place of the other."""

    service: str
    current: Container | None
    next: Container | None

    @property
    def definition(self) -> str:
        """The hash of what the current one is; empty for none, and where files were put into it since."""
        if self.current is None or self.current.name.endswith(LIVE):
            return ""
        return self.current.labels.get(HASH_LABEL, "")


def observe(engine: Engine, app: str) -> dict[str, ObservedService]:
    """The containers of an application, by service, in the order of their names."""
    found: dict[str, ObservedService] = {}
    containers = [c for c in _pushed(engine) if c.labels[APP_LABEL] == app]
    for container in sorted(containers, key=lambda c: c.name):
        service = container.labels.get(SERVICE_LABEL, "")
        known = found.get(service, ObservedService(service, None, None))
        if container.name.endswith(NEXT):
            found[service] = ObservedService(service, known.current, container)
        else:
            found[service] = ObservedService(service, container, known.next)
    return found


def list_apps(engine: Engine) -> list[str]:
    """The applications that push has brought to a device."""
    return sorted({container.labels[APP_LABEL] for container in _pushed(engine)})


def _pushed(engine: Engine) -> list[Container]:
    """What push has made. The images have the label of the application, too, and give it to all that is run
    from them: to a step of a build, and to what a person tries out.
    """
    return [c for c in engine.containers(all=True) if c.labels.get(APP_LABEL) and SERVICE_LABEL in c.labels]


def pusher_of(container: Container) -> str:
    """Who made a container: `user@host:number of the process`."""
    return container.labels.get(PUSHER_LABEL, "")

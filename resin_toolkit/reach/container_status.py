"""The containers of a device, each with its state, image, age and restart count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from resin_toolkit.engine import APP_LABEL, Container, ContainerDetails, Engine
from resin_toolkit.engine.images import Images
from resin_toolkit.errors import ServiceNotFound
from resin_toolkit.project.names import image_name
from resin_toolkit.terminal.screen import clean

_ID_PREFIX, _SHORT_ID = "sha256:", 12
_UNTAGGED = "<none>:<none>"
_ACTIVE_STATES = ("running", "paused", "restarting")


@dataclass(frozen=True)
class ContainerStatus:
    """A container and how long it has been in its state."""

    container: Container
    details: ContainerDetails
    image: str
    """A tag of its image; the start of the image's ID if it has none."""
    seconds: float | None
    """How long it has been in its state, by the device's clock; None if unknown."""

    @property
    def since(self) -> str:
        """When it entered its state (RFC 3339, the device's clock); empty if the engine does not say."""
        return self.details.started_at if self.details.running else self.details.finished_at

    @property
    def state(self) -> str:
        return self.container.state or self.details.state

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return None if self.details.running else self.details.exit_code


@dataclass(frozen=True)
class ContainerStatuses:
    """The selected containers of a device, by service, and the number of those left out."""

    host: str
    containers: tuple[ContainerStatus, ...]
    omitted: int
    services: tuple[str, ...]
    """The services of all containers of the device."""


def read_container_statuses(
    engine: Engine, names: Sequence[str] = (), *, include_stopped: bool = False
) -> ContainerStatuses:
    """Read the status of the services or containers in `names`; without names, of all that are running.

    Raises ServiceNotFound, EngineFailed and Unreachable.
    """
    found = engine.containers(all=True)
    if names:
        chosen = _select(engine.host, found, names)
    else:
        chosen = [c for c in found if include_stopped or c.state in _ACTIVE_STATES]
    now = engine.time()
    tags = _image_tags(engine, chosen)
    statuses = [status for c in chosen if (status := _read_status(engine, c, now, tags)) is not None]
    statuses.sort(key=lambda status: status.container.service)
    services = tuple(container.service for container in found)
    return ContainerStatuses(engine.host, tuple(statuses), len(found) - len(chosen), services)


def find_running_container(engine: Engine, name: str) -> Container:
    """Find a running container by its service, its name, or the first 12 or more digits of its ID.

    Raises ServiceNotFound, EngineFailed and Unreachable.
    """
    running = engine.containers()
    for found in running:
        if name in (found.service, found.name) or (len(name) >= _SHORT_ID and found.id.startswith(name)):
            return found
    services = ", ".join(sorted({clean(each.service) for each in running})) or "nothing"
    raise ServiceNotFound(
        f"No container of {clean(name)} is running; running: {services}.",
        hint="List all containers with `resin ps --all`.",
    )


def _select(host: str, found: Sequence[Container], names: Sequence[str]) -> list[Container]:
    known = {name for container in found for name in (container.service, container.name)}
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if missing:
        services = ", ".join(sorted({clean(container.service) for container in found}))
        raise ServiceNotFound(
            f"{host} has no service {', '.join(missing)}.",
            hint=f"It has: {services}." if services else "Deploy a project with `resin push`.",
        )
    return [c for c in found if c.service in names or c.name in names]


def _image_tags(engine: Engine, containers: Sequence[Container]) -> Mapping[str, str]:
    """A tag for each image that the list of containers gives by ID, preferably the one that push sets."""
    if not any(container.image.startswith(_ID_PREFIX) for container in containers):
        return {}
    tags = {image.id: [tag for tag in image.tags if tag != _UNTAGGED] for image in Images(engine).list()}
    found = {}
    for container in containers:
        pushed = f"{image_name(container.labels.get(APP_LABEL, ''), container.service)}:latest"
        known = tags.get(container.image, [])
        found[container.image] = pushed if pushed in known else next(iter(known), "")
    return {identity: tag for identity, tag in found.items() if tag}


def _read_status(
    engine: Engine, container: Container, now: str, tags: Mapping[str, str]
) -> ContainerStatus | None:
    """None if the container was removed meanwhile."""
    try:
        details = engine.inspect(container.id)
    except ServiceNotFound:
        return None
    image = clean(tags.get(container.image, container.image))
    if image.startswith(_ID_PREFIX):
        image = image.removeprefix(_ID_PREFIX)[:_SHORT_ID]
    since = details.started_at if details.running else details.finished_at
    return ContainerStatus(container, details, image, _seconds_between(since, now))


def _seconds_between(earlier: str, later: str) -> float | None:
    try:
        span = datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
    except (ValueError, TypeError):
        # TypeError: one of them has no time zone.
        return None
    return max(0.0, span.total_seconds())

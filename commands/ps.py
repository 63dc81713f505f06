"""`resin ps`: list the containers on a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import services
from commands.common.device import DeviceArgument, DeviceOptions, find_device
from resin_toolkit.cli.verb import report_of, single_command, with_options
from resin_toolkit.errors import ServiceNotFound
from resin_toolkit.terminal.screen import Screen, clean, table

if TYPE_CHECKING:
    from resin_toolkit.engine import Container, ContainerDetails, Engine

EXAMPLES = """\b
Examples:
  resin ps kitchen
  resin ps kitchen --all
  resin ps kitchen web database
  resin ps --json
"""
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        help="Services or containers, running or not (default: all running).",
        autocompletion=services,
    ),
]
_ID, _SHORT, _NONE = "sha256:", 12, "<none>:<none>"
"""How the ID of an image begins, how much of it is shown, and what an image without a name is called."""
_RUNNING = ("running", "paused", "restarting")
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


@dataclass(frozen=True)
class Service:
    """A container and since when it is in its state; `seconds` by the device's clock, None if unknown."""

    container: Container
    details: ContainerDetails
    seconds: float | None
    image: str
    """A name of its image, or the beginning of its ID where it has none any more."""

    @property
    def since(self) -> str:
        """RFC 3339, by the device's clock; empty where the engine does not say."""
        return self.details.started_at if self.details.running else self.details.finished_at

    @property
    def state(self) -> str:
        """One word, with the exit code of what has ended."""
        state = self.container.state or self.details.state
        return f"{state} ({self.details.exit_code})" if state == "exited" else state


@dataclass(frozen=True)
class Services:
    """The containers that are shown, and how many others there are."""

    host: str
    shown: tuple[Service, ...]
    hidden: int

    def data(self) -> Mapping[str, object]:
        return {"device": self.host, "containers": [_service_data(service) for service in self.shown]}

    def text(self, screen: Screen) -> str:
        if not self.shown:
            others = f" `resin ps --all` lists {self.hidden} stopped." if self.hidden else ""
            return f"No containers are running on {self.host}.{others}"
        rows = [("SERVICE", "IMAGE", "STATE", "FOR", "RESTARTS")]
        rows += [
            (
                service.container.service,
                service.image,
                service.state,
                duration(service.seconds),
                str(service.details.restart_count),
            )
            for service in self.shown
        ]
        if not screen.is_terminal:
            return table(rows, right=frozenset({4}))
        from resin_toolkit.terminal.tables import fit_table

        mark = "…" if screen.unicode else "~"
        return fit_table(rows, screen.width, whole=frozenset({2, 3, 4}), right=frozenset({4}), mark=mark)


def ps(
    context: typer.Context,
    device: DeviceArgument = None,
    names: NamesArgument = None,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Include stopped containers.")] = False,
    *,
    options: DeviceOptions,
) -> Services:
    """List the containers on a device, with their state, age and restart count."""
    from commands.common.engine import open_engine
    from resin_toolkit.device.service_cache import cache_services

    report = report_of(context)
    with open_engine(report, find_device(report, device, options)) as engine:
        found = engine.containers(all=True)
        cache_services(engine.host, (container.service for container in found), all_of_them=True)
        if names:
            chosen = _named(engine.host, found, names)
        else:
            chosen = [c for c in found if all_ or c.state in _RUNNING]
        now = engine.time()
        images = _names_of_images(engine, chosen)
        known = [_looked_into(engine, container, now, images) for container in chosen]
    shown = sorted((service for service in known if service), key=lambda service: service.container.service)
    return Services(engine.host, tuple(shown), len(found) - len(chosen))


def _named(host: str, found: Sequence[Container], names: Sequence[str]) -> list[Container]:
    """Those of a service or a container that is named. Raises ServiceNotFound."""
    known = {name for container in found for name in (container.service, container.name)}
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if missing:
        services = ", ".join(sorted({clean(container.service) for container in found}))
        raise ServiceNotFound(
            f"{host} has no service {', '.join(missing)}.",
            hint=f"It has: {services}." if services else "Deploy a project with `resin push`.",
        )
    return [c for c in found if c.service in names or c.name in names]


def duration(seconds: float | None) -> str:
    """A time span in its largest unit: `3 h`; empty for None."""
    if seconds is None:
        return ""
    unit, size = next((entry for entry in _UNITS if seconds >= entry[1]), _UNITS[-1])
    return f"{int(seconds // size)} {unit}"


def _names_of_images(engine: Engine, containers: Sequence[Container]) -> Mapping[str, str]:
    """Of the images that containers were made of by their IDs: what each is called; asked where needed."""
    from resin_toolkit.engine.images import Images
    from resin_toolkit.project.names import APP_LABEL, image_name

    if not any(container.image.startswith(_ID) for container in containers):
        return {}
    tags = {image.id: [tag for tag in image.tags if tag != _NONE] for image in Images(engine).list()}
    found = {}
    for container in containers:
        own = f"{image_name(container.labels.get(APP_LABEL, ''), container.service)}:latest"
        named = tags.get(container.image, [])
        found[container.image] = own if own in named else next(iter(named), "")
    return {identity: name for identity, name in found.items() if name}


def _looked_into(engine: Engine, container: Container, now: str, images: Mapping[str, str]) -> Service | None:
    """None for a container that went away meanwhile."""
    try:
        details = engine.inspect(container.id)
    except ServiceNotFound:
        return None
    since = details.started_at if details.running else details.finished_at
    image = clean(images.get(container.image, container.image))
    if image.startswith(_ID):
        image = image.removeprefix(_ID)[:_SHORT]
    return Service(container, details, _seconds_between(since, now), image)


def _seconds_between(earlier: str, later: str) -> float | None:
    from datetime import datetime

    try:
        span = datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
    except (ValueError, TypeError):
        # TypeError: one of them is without a time zone.
        return None
    return max(0.0, span.total_seconds())


def _service_data(service: Service) -> Mapping[str, object]:
    container, details = service.container, service.details
    return {
        "id": container.id,
        "name": container.name,
        "service": container.service,
        "image": service.image,
        "state": container.state or details.state,
        "status": container.status,
        "since": service.since or None,
        "exit_code": None if details.running else details.exit_code,
        "restarts": details.restart_count,
    }


app = single_command(with_options(DeviceOptions)(ps), epilog=EXAMPLES)

"""The application that a verb is about: the project's, or the one that is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import services
from commands.common.device import DeviceOptions, find_device
from resin_toolkit.cli.verb import report_of
from resin_toolkit.errors import DeviceAmbiguous, ServiceNotFound
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen

if TYPE_CHECKING:
    from resin_toolkit.engine import Container, Engine

NameOption = Annotated[
    str | None, typer.Option("--name", metavar="APP", help="The application; left out: the project's.")
]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Services; left out: all of them.", autocompletion=services),
]


@dataclass(frozen=True)
class AppActionResult:
    """What was done to the services of an application."""

    host: str
    app: str
    services: tuple[str, ...]
    done: str
    """`stopped`, `restarted`, `removed`."""
    remark: str = ""

    def data(self) -> Mapping[str, object]:
        return {"device": self.host, "app": self.app, self.done: list(self.services)}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        names = ", ".join(self.services)
        return f"{self.app} on {self.host}: {self.done} {names}.{self.remark and ' ' + self.remark}"


@dataclass(frozen=True)
class Chosen:
    """The containers of an application that a verb acts on."""

    report: Report
    engine: Engine
    app: str
    containers: tuple[Container, ...]

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(container.service for container in self.containers))

    def each(self, doing: str) -> Iterator[Container]:
        """One after the other, as it is told what is done to it: `stopping`."""
        for container in self.containers:
            self.report.say(f"{doing} {container.service} …")
            yield container

    def acted(self, done: str, remark: str = "") -> AppActionResult:
        return AppActionResult(self.engine.host, self.app, self.services, done, remark)


@contextmanager
def chosen(
    context: typer.Context,
    device: str | None,
    names: Sequence[str] | None,
    name: str | None,
    options: DeviceOptions,
) -> Iterator[Chosen]:
    """What a verb acts on: the engine, connected while the block lasts, the application and its containers.

    Raises ServiceNotFound, DeviceAmbiguous, and what finding and reaching a device raises.
    """
    from commands.common.engine import open_engine
    from resin_toolkit.push.apply import container_control

    report = report_of(context)
    with open_engine(report, find_device(report, device, options)) as engine:
        app = resolve_app(engine, name)
        yield Chosen(
            report, engine, app, tuple(container_control.select_containers(engine, app, names or ()))
        )


def resolve_app(engine: Engine, name: str | None) -> str:
    """The application that is named, else the project's, else the only one on the device.

    Raises ServiceNotFound, and DeviceAmbiguous where several could be meant.
    """
    from resin_toolkit.project.project_state import find_project_state
    from resin_toolkit.push.plan.observed_state import list_apps

    memory = find_project_state(Path.cwd())
    known = name or (memory.app if memory else "")
    if known:
        return known
    found = list_apps(engine)
    if not found:
        raise ServiceNotFound(
            f"{engine.host} has nothing that was pushed to it.", hint="`resin push` brings a project there."
        )
    if len(found) > 1:
        raise DeviceAmbiguous(
            f"{engine.host} has several applications: {', '.join(found)}.", hint="Say which with --name."
        )
    return found[0]


def built_here(app: str) -> tuple[str, ...]:
    """The images that builds of an application have made on the way, if the user is in its project."""
    from resin_toolkit.project.project_state import find_project_state

    memory = find_project_state(Path.cwd())
    return memory.built if memory is not None and memory.app == app else ()

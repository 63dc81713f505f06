"""What `resin stop`, `restart` and `rm` share: selecting an application, acting on it, and the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common.completions import services
from commands.common.device import DeviceOptions, find_device, open_engine
from resin_toolkit.cli.command import report_of
from resin_toolkit.terminal.report import Report
from resin_toolkit.terminal.screen import Screen

if TYPE_CHECKING:
    from resin_toolkit.engine import Container, Engine

NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="APP", help="Name of the application (default: the project's)."),
]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Services (default: all).", autocompletion=services),
]


@dataclass(frozen=True)
class AppActionResult:
    """The services of an application that were stopped, restarted or removed."""

    host: str
    app: str
    services: tuple[str, ...]
    done: str
    """`stopped`, `restarted` or `removed`."""
    note: str = ""

    def data(self) -> Mapping[str, object]:
        return {"device": self.host, "app": self.app, self.done: list(self.services)}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        names = ", ".join(self.services)
        return f"{self.app} on {self.host}: {self.done} {names}.{self.note and ' ' + self.note}"


@dataclass(frozen=True)
class SelectedContainers:
    """The containers of an application that a command acts on."""

    report: Report
    engine: Engine
    app: str
    containers: tuple[Container, ...]

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(container.service for container in self.containers))

    def apply(
        self, doing: str, action: Callable[[Engine, Container], None], done: str, note: str
    ) -> AppActionResult:
        """Call `action` for each container. `doing` is printed before, `done` and `note` as the result."""
        for container in self.containers:
            self.report.say(f"{doing} {container.service} …")
            action(self.engine, container)
        return AppActionResult(self.engine.host, self.app, self.services, done, note)


@contextmanager
def selected_containers(
    context: typer.Context,
    device: str | None,
    names: Sequence[str] | None,
    name: str | None,
    options: DeviceOptions,
) -> Iterator[SelectedContainers]:
    """Connect to the device and select the application's containers; disconnect at the end of the block.

    Raises ServiceNotFound, DeviceAmbiguous, and the errors of `find_device` and `open_engine`.
    """
    from resin_toolkit.push.apply import container_control

    report = report_of(context)
    with open_engine(report, find_device(report, device, options)) as engine:
        app = name or container_control.find_app(engine, Path.cwd())
        yield SelectedContainers(
            report, engine, app, tuple(container_control.select_containers(engine, app, names or ()))
        )

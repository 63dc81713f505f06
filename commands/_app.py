"""The application that a verb is about: the project's, or the one that is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands._completions import services
from resin_toolkit.errors import DeviceAmbiguous, ServiceNotFound
from resin_toolkit.screen import Screen

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
class Acted:
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


def app_of(engine: Engine, name: str | None) -> str:
    """The application that is named, else the project's, else the only one on the device.

    Raises ServiceNotFound, and DeviceAmbiguous where several could be meant.
    """
    from resin_toolkit.project.memory import project_around
    from resin_toolkit.push.existing import apps_of

    memory = project_around(Path.cwd())
    known = name or (memory.app if memory else "")
    if known:
        return known
    found = apps_of(engine)
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
    from resin_toolkit.project.memory import project_around

    memory = project_around(Path.cwd())
    return memory.built if memory is not None and memory.app == app else ()


def services_of(containers: Sequence[Container]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(container.service for container in containers))

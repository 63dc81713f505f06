"""What is told while an application is brought to a device. It knows of no screen."""

from __future__ import annotations

from typing import Protocol

from resin_toolkit.errors import Notice
from resin_toolkit.progress import Progress


class DeploymentListener(Protocol):
    """Hears how a push goes on; each is called from any thread."""

    progress: Progress

    def step(self, service: str, what: str) -> None:
        """`what` is done now for a service, such as "starting the new container"."""

    def output(self, service: str, text: str) -> None:
        """A piece of what the build of a service puts out, in the engine's words."""

    def warn(self, notice: Notice) -> None:
        """Something that the user should know though it goes on."""


class Silence:
    """Nobody listens."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def step(self, service: str, what: str) -> None: ...

    def output(self, service: str, text: str) -> None: ...

    def warn(self, notice: Notice) -> None: ...

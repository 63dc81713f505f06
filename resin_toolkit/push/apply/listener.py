"""The events of a deployment, for whoever displays them."""

from __future__ import annotations

from typing import Protocol

from resin_toolkit.errors import Notice
from resin_toolkit.progress import Progress


class DeploymentListener(Protocol):
    """Receives the events of a deployment; its methods are called from any thread."""

    progress: Progress

    def step(self, service: str, what: str) -> None:
        """A step begins for a service; `what` describes it, such as "starting the container"."""

    def output(self, service: str, text: str) -> None:
        """A chunk of the build output of a service, as the engine sends it."""

    def warn(self, notice: Notice) -> None:
        """A warning; the deployment continues."""

"""What is asked of the logs of a device, and what is told beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resin_toolkit.engine import APP_LABEL, Container
from resin_toolkit.errors import EngineFailed
from resin_toolkit.logs.container_log import ContainerLog


@dataclass(frozen=True)
class LogQuery:
    """What is asked of the engine for each container."""

    services: frozenset[str]
    """Of services or containers; empty is all."""
    tail: str = "all"
    since: str = ""
    until: str = ""
    app: str = ""
    """The application that they belong to; empty is any."""

    def takes(self, container: Container) -> bool:
        if self.app and container.labels.get(APP_LABEL) != self.app:
            return False
        return not self.services or bool(
            self.services & {container.service, container.name, container.id, container.id[:12]}
        )


class LogListener:
    """What is told beside the lines; each is called from any thread."""

    gone: Callable[[ContainerLog, bytes, bytes], None]
    remark: Callable[[ContainerLog, str], None]
    unreadable: Callable[[Container, EngineFailed], None]
    may_drop: Callable[[Sequence[str], str], None]
    """Of which services lines may be missing without a trace, and why."""
    removed: Callable[[Container, bytes], None]
    """A container is gone with its log; the time of the last line that was taken, empty where none was."""

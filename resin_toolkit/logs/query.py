"""Which logs and lines of a device to read, and the events that are reported while reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resin_toolkit.engine import APP_LABEL, Container
from resin_toolkit.errors import EngineFailed
from resin_toolkit.logs.container_log import ContainerLog


@dataclass(frozen=True)
class LogQuery:
    """Which containers to read, and the parameters of the engine's request for each."""

    services: frozenset[str]
    """Services, or names or IDs of containers; empty for all."""
    tail: str = "all"
    since: str = ""
    until: str = ""
    app: str = ""
    """The application of the containers; empty for any."""

    def matches(self, container: Container) -> bool:
        if self.app and container.labels.get(APP_LABEL) != self.app:
            return False
        return not self.services or bool(
            self.services & {container.service, container.name, container.id, container.id[:12]}
        )


class LogListener:
    """Receives the events of reading and following; each method may be called from any thread."""

    gap: Callable[[ContainerLog, bytes, bytes], None]
    """Lines are lost between these two timestamps: of the last line read, and of the first still there."""
    engine_message: Callable[[ContainerLog, str], None]
    """The engine reported an error within the log."""
    unreadable: Callable[[Container, EngineFailed], None]
    """The engine cannot return the log of a container."""
    may_drop: Callable[[Sequence[str], str], None]
    """The services of which lines may be missing without notice, and why."""
    removed: Callable[[Container, bytes], None]
    """A container was removed with its log; the timestamp of the last line read, empty if there was none."""

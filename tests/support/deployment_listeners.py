"""Listeners of deployments for tests."""

from __future__ import annotations

from resin_toolkit.errors import Notice
from resin_toolkit.progress import Progress


class SilentListener:
    """Ignores all events."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def step(self, service: str, what: str) -> None: ...

    def output(self, service: str, text: str) -> None: ...

    def warn(self, notice: Notice) -> None: ...

"""The result of `resin push`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resin_toolkit.push.deployment import Deployment
from resin_toolkit.terminal.screen import Screen


@dataclass(frozen=True)
class PushResult:
    """A deployment. `batches` is how often changes were synced afterwards; None without live mode."""

    host: str
    app: str
    deployment: Deployment
    batches: int | None = None

    def data(self) -> Mapping[str, object]:
        return {"device": self.host, "app": self.app, **self.deployment.data(), "batches": self.batches}

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return self.summary() if self.batches is None else ""

    def summary(self) -> str:
        return f"{self.app} on {self.host}: {self.deployment.summary()}"

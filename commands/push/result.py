"""The result of `resin push`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resin_toolkit.push.apply.reconciler import ServiceDeployment
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
        return {
            "device": self.host,
            "app": self.app,
            "services": [_service_data(service) for service in self.deployment.services],
            "removed_images": self.deployment.removed_images,
            "seconds": round(self.deployment.seconds, 3),
            "batches": self.batches,
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        return self.summary() if self.batches is None else ""

    def summary(self) -> str:
        """One line: what was done to which services."""
        by_change: dict[str, list[str]] = {}
        for service in self.deployment.services:
            by_change.setdefault(service.change.value, []).append(service.service)
        changes = "; ".join(f"{change} {', '.join(names)}" for change, names in by_change.items())
        return f"{self.app} on {self.host}: {changes or 'nothing to do'}, {self.deployment.seconds:.1f} s."


def _service_data(service: ServiceDeployment) -> Mapping[str, object]:
    return {
        "service": service.service,
        "change": service.change.value,
        "container": service.container or None,
        "image": service.image or None,
    }

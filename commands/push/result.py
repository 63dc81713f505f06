"""What a push reports when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resin_toolkit.terminal.screen import Screen


@dataclass(frozen=True)
class PushResult:
    """What is on the device now."""

    host: str
    app: str
    services: tuple[Mapping[str, object], ...]
    leftovers: int
    seconds: float
    batches: int | None = None
    """How often changes were sent afterwards; None where that was not wanted."""

    def data(self) -> Mapping[str, object]:
        return {
            "device": self.host,
            "app": self.app,
            "services": list(self.services),
            "removed_images": self.leftovers,
            "seconds": round(self.seconds, 3),
            "batches": self.batches,
        }

    def text(self, screen: Screen) -> str:  # noqa: ARG002
        if self.batches is not None:
            return ""
        return summary(self.app, self.host, self.services, self.seconds)


def summary(app: str, host: str, services: tuple[Mapping[str, object], ...], seconds: float) -> str:
    """One line of what became of each service."""
    by_change: dict[str, list[str]] = {}
    for service in services:
        by_change.setdefault(str(service["change"]), []).append(str(service["service"]))
    said = "; ".join(f"{change} {', '.join(names)}" for change, names in by_change.items())
    return f"{app} on {host}: {said or 'nothing to do'}, {seconds:.1f} s."

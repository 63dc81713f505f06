"""The facts of a device: its operating system, type, engine and containers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from resin_toolkit.errors import Notice

if TYPE_CHECKING:
    from resin_toolkit.engine import Container


class Variant(Enum):
    """Development images accept anyone; production images require an SSH key."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


@dataclass(frozen=True)
class DeviceFacts:
    """What is known about a device; what is unknown is empty or None."""

    ssh: str | None = None
    """The software of its SSH server as it identifies itself, `OpenSSH_7.2`; None if none responds."""
    host_key: str | None = None
    """The fingerprint of its SSH host key: `SHA256:…`."""
    engine_port: int | None = None
    """The TCP port of its engine; None if it has none."""
    engine_version: str = ""
    engine_id: str = ""
    os_name: str = ""
    os_version: str = ""
    device_type: str = ""
    """Its slug, such as raspberrypi3."""
    variant: Variant | None = None
    containers: tuple[Container, ...] | None = None
    """The running containers; None if they could not be listed."""
    problems: tuple[str, ...] = ()
    """Why some facts are unknown, one sentence each."""

    @property
    def answers(self) -> bool:
        """Whether SSH or the engine responds."""
        return self.ssh is not None or self.engine_port is not None or bool(self.engine_version)


def problem_notices(facts: DeviceFacts) -> list[Notice]:
    """A notice for each reason why facts are unknown, such as a changed host key."""
    return [Notice("device-problem", problem) for problem in facts.problems]

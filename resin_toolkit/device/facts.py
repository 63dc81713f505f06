"""What is known of a device: its operating system, board, engine and containers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resin_toolkit.engine import Container


class Variant(Enum):
    """Development images let everybody in; production images nobody who has no key."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


@dataclass(frozen=True)
class DeviceFacts:
    """What is known of a device. What it has not told is empty or None."""

    ssh: str | None = None
    """The software of its SSH server, in its own words: `OpenSSH_7.2`; None where none answers."""
    host_key: str | None = None
    """The fingerprint of its SSH host key: `SHA256:…`."""
    engine_port: int | None = None
    """Where its engine listens on the network; None where it does not."""
    engine_version: str = ""
    engine_id: str = ""
    os_name: str = ""
    os_version: str = ""
    device_type: str = ""
    """Its slug, such as raspberrypi3."""
    variant: Variant | None = None
    containers: tuple[Container, ...] | None = None
    """Those that run; None where that could not be learnt."""
    problems: tuple[str, ...] = ()
    """Why some of it could not be learnt, a sentence each."""

    @property
    def identity(self) -> str:
        """By which it is known again, whatever its name and address are; empty if there is nothing."""
        return self.host_key or self.engine_id

    @property
    def answers(self) -> bool:
        """Whether SSH or the engine does."""
        return self.ssh is not None or self.engine_port is not None or bool(self.engine_version)

"""What a saved file means for the container that runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FileChange(StrEnum):
    """What happened to a file, folder or link."""

    CHANGED = "changed"
    """It is new, or other than before."""
    DELETED = "deleted"


@dataclass(frozen=True)
class SyncTarget:
    """Where something lies in the container."""

    path: str
    """Absolute."""
    owner: str = ""
    """As `--chown` has it, names or numbers; empty for root."""
    mode: int | None = None
    """None for that of the file on the workstation."""


@dataclass(frozen=True)
class Sync:
    """It is put into the container, or deleted there, at each of the targets."""

    targets: tuple[SyncTarget, ...]
    restart: bool = True
    """Whether the container is then started anew."""


@dataclass(frozen=True)
class Restart:
    """The container is started anew; nothing is copied."""


@dataclass(frozen=True)
class Rebuild:
    """Only a new image has what the file means."""

    reason: str
    """In plain words."""


@dataclass(frozen=True)
class NoAction:
    """The container has nothing of it."""


FileAction = Sync | Restart | Rebuild | NoAction

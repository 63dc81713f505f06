"""The actions that a saved change can require: sync, restart, rebuild, or none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FileChange(StrEnum):
    """What happened to a file, folder or link."""

    CHANGED = "changed"
    """It is new or modified."""
    DELETED = "deleted"


@dataclass(frozen=True)
class SyncTarget:
    """A path in the container, with the owner and mode the file gets there."""

    path: str
    """Absolute."""
    owner: str = ""
    """In the notation of `--chown`, names or numbers; empty for root."""
    mode: int | None = None
    """Permission bits; None for those of the file on the workstation."""


@dataclass(frozen=True)
class Sync:
    """Copy the file to each of the targets, or delete it there."""

    targets: tuple[SyncTarget, ...]
    restart: bool = True
    """Whether to restart the container afterwards."""


@dataclass(frozen=True)
class Restart:
    """Restart the container; copy nothing."""


@dataclass(frozen=True)
class Rebuild:
    """Rebuild the image."""

    reason: str
    """For the user, without a period."""


@dataclass(frozen=True)
class NoAction:
    """The file has no effect on the container."""


FileAction = Sync | Restart | Rebuild | NoAction

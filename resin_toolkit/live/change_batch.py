"""What a batch of saved changes means for one container: uploads, deletions, a restart, or a rebuild."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from resin_toolkit.live.container_files import FileUpload
from resin_toolkit.live.mapping.actions import FileAction, FileChange, NoAction, Rebuild, Restart, Sync
from resin_toolkit.live.snapshot import Difference

ActionLookup = Callable[[list[tuple[str, FileChange]]], list[FileAction]]
"""The actions for changes that happened together, in the same order."""
OwnerLookup = Callable[[str], tuple[int, int]]
"""The numbers of the user and group of an owner; may raise UnknownOwner."""


@dataclass
class ChangeBatch:
    """The changes of one service. With a `rebuild_reason`, only that and `files` count."""

    rebuild_reason: str = ""
    uploads: list[FileUpload] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    """Absolute paths in the container."""
    restart: bool = False
    files: set[str] = field(default_factory=set)
    """The changed paths in the project."""

    def __bool__(self) -> bool:
        return bool(self.rebuild_reason or self.uploads or self.deleted or self.restart)


def make_batch(
    root: Path,
    difference: Difference,
    actions_for: ActionLookup,
    owner_lookup: OwnerLookup,
    folders: tuple[str, ...] = (),
) -> ChangeBatch:
    """The batch for a difference of the folder `root`. All files to send must be in `folders`."""
    batch = ChangeBatch()
    changes = [(path, FileChange.DELETED) for path in difference.deleted]
    changes += [(path, FileChange.CHANGED) for path in difference.changed]
    for (path, change), action in zip(changes, actions_for(changes), strict=True):
        if isinstance(action, Rebuild):
            batch.rebuild_reason = batch.rebuild_reason or action.reason
            batch.files.add(path)
        else:
            # A path outside the folder begins with `../`: do not resolve it through a link to the folder.
            source = Path(os.path.normpath(root / path))
            _add(batch, source, path, change, action, owner_lookup, folders)
    batch.deleted = _topmost(batch.deleted)
    return batch


def _add(
    batch: ChangeBatch,
    source: Path,
    path: str,
    change: FileChange,
    action: FileAction,
    owner_lookup: OwnerLookup,
    folders: tuple[str, ...],
) -> None:
    if isinstance(action, NoAction):
        return
    batch.files.add(path)
    if isinstance(action, Restart):
        batch.restart = True
        return
    assert isinstance(action, Sync)
    batch.restart = batch.restart or action.restart
    for target in action.targets:
        if change is FileChange.DELETED:
            batch.deleted.append(target.path)
        else:
            owner = owner_lookup(target.owner)
            batch.uploads.append(FileUpload(source, target.path, owner, target.mode, folders))


def _topmost(paths: list[str]) -> list[str]:
    """The paths without those inside a folder that is deleted as well."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if path != "/" and not any(path.startswith(f"{folder}/") for folder in kept):
            kept.append(path)
    return kept

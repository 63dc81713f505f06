"""Tracing a file of the context through the stages of a Dockerfile to its targets in the container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from resin_toolkit.live.context_files import (
    ContextFiles,
    NeedsRebuild,
    is_at_or_below,
    parents_and_self,
    relative_source,
)
from resin_toolkit.live.mapping.actions import FileChange, SyncTarget
from resin_toolkit.live.mapping.copy_destination import MAYBE, ChangedFile, CopyDestination
from resin_toolkit.live.mapping.mapping_inputs import IsFolder
from resin_toolkit.live.mapping.stage_operations import Copy, Folder, Run, StageOperations, Unknown
from resin_toolkit.project.context_walk import FileType
from resin_toolkit.project.glob_patterns import is_pattern

_NO_FOLDER = (FileType.FILE, FileType.LINK, FileType.HARD_LINK)
"""Kinds that replace a folder and its content."""
_SYSTEM = tuple(
    f"/{name}"
    for name in (
        *(
            "bin",
            "boot",
            "dev",
            "etc",
            "lib",
            "lib32",
            "lib64",
            "proc",
            "root",
            "run",
            "sbin",
            "sys",
            "tmp",
            "var",
        ),
        *("usr/bin", "usr/include", "usr/lib", "usr/lib64", "usr/libexec", "usr/sbin", "usr/share"),
        *("usr/local/bin", "usr/local/include", "usr/local/lib", "usr/local/share"),
    )
)
"""Folders where base images have files, which a rebuild would restore in place of a deleted one."""


@dataclass(frozen=True)
class PathTrace:
    """Traces files to the last of the stages."""

    stages: Sequence[StageOperations]
    files: ContextFiles
    is_folder: IsFolder
    """Of the image of the last stage."""
    _folders_of_image: dict[str, bool | None] = field(default_factory=dict)

    def targets(self, file: ChangedFile) -> tuple[SyncTarget, ...]:
        """The targets of a file, sorted by path. Raises NeedsRebuild."""
        last = self.stages[-1]
        if file.change is FileChange.DELETED:
            self._check_named(file.path)
        found = _StageTrace(self, len(self.stages) - 1, file).targets()
        for path in found:
            for volume in last.volumes:
                if is_at_or_below(path, volume):
                    raise NeedsRebuild(f"it is in the volume {volume}, which outlives the image")
            if file.change is FileChange.DELETED:
                _check_deleted(path, file, last)
        return tuple(found[path] for path in sorted(found))

    def _check_named(self, path: str) -> None:
        """Raise NeedsRebuild for a deleted file that a stage copies by name: the next build fails."""
        for stage in self.stages:
            for operation in stage.operations:
                if not isinstance(operation, Copy) or operation.stage is not None or operation.is_foreign:
                    continue
                if any(
                    not is_pattern(source) and relative_source(source) == path for source in operation.sources
                ):
                    raise NeedsRebuild(f"{operation.instruction} copies it by name, and it was deleted")

    def is_image_folder(self, path: str) -> bool | None:
        """Whether the path is a folder in the built image; results are kept."""
        if path not in self._folders_of_image:
            self._folders_of_image[path] = self.is_folder(path)
        return self._folders_of_image[path]


def _check_deleted(path: str, file: ChangedFile, stage: StageOperations) -> None:
    """Raise NeedsRebuild if another file may be, or may have been, at the same path."""
    if not stage.from_scratch and (path.count("/") == 1 or any(is_at_or_below(path, one) for one in _SYSTEM)):
        raise NeedsRebuild(f"the base image may have had a file at {path}")
    if file.kind is not FileType.FOLDER:
        return
    for operation in stage.operations:
        inside = operation.path if isinstance(operation, Folder) else ""
        if isinstance(operation, Copy):
            inside = operation.destination.rstrip("/")
        if inside and is_at_or_below(inside, path):
            raise NeedsRebuild(f"{path} contains other files")


def _owner(copy: Copy, target: SyncTarget) -> str:
    """The owner of a file that is copied from a stage, which COPY keeps. Raises NeedsRebuild."""
    if not copy.owner and target.owner.strip("0123456789:"):
        raise NeedsRebuild(f"{copy.instruction} keeps the owner {target.owner}, which another image defines")
    return copy.owner or target.owner


class _StageTrace:
    """Traces one file through one stage."""

    def __init__(self, trace: PathTrace, position: int, file: ChangedFile) -> None:
        self._trace = trace
        self._position = position
        self._stage = trace.stages[position]
        self._is_last = position == len(trace.stages) - 1
        self._file = file
        self._folders: set[str] = set()
        self._seen: list[CopyDestination] = []
        self._has_run = False

    def targets(self) -> dict[str, SyncTarget]:
        found: dict[str, SyncTarget] = {}
        for operation in self._stage.operations:
            if isinstance(operation, Unknown):
                raise NeedsRebuild(operation.reason)
            if isinstance(operation, Folder):
                self._folders.add(operation.path)
            elif isinstance(operation, Run):
                self._has_run = True
                if found:
                    raise NeedsRebuild(f"{operation.instruction} may depend on it")
            else:
                found = self._apply_copy(operation, found)
        return found

    def _apply_copy(self, copy: Copy, found: dict[str, SyncTarget]) -> dict[str, SyncTarget]:
        destination = CopyDestination(copy, self._trace.files, self._into_folder(copy))
        new = self._new_targets(destination)
        kept = {
            path: target for path, target in found.items() if path in new or self._stays(path, destination)
        }
        if self._file.change is FileChange.DELETED:
            for path in new:
                self._check_uncovered(path)
        self._seen.append(destination)
        return kept | new

    def _new_targets(self, destination: CopyDestination) -> dict[str, SyncTarget]:
        copy = destination.copy
        if copy.is_foreign:
            return {}
        if copy.stage is None:
            destination.check_links()
            return {
                path: SyncTarget(path, copy.owner, copy.mode) for path in destination.targets_of(self._file)
            }
        before = _StageTrace(self._trace, copy.stage, self._file).targets()
        return {
            path: SyncTarget(path, _owner(copy, target), target.mode if copy.mode is None else copy.mode)
            for target in before.values()
            for path in destination.targets_from(target.path, self._file)
        }

    def _stays(self, path: str, later: CopyDestination) -> bool:
        """Whether a later COPY leaves the file at `path` in place. Raises NeedsRebuild."""
        provided = later.provides(path)
        if provided == MAYBE:
            raise NeedsRebuild(f"{later.copy.instruction} may copy another file to {path}")
        if any(later.provides(above) in _NO_FOLDER for above in list(parents_and_self(path))[1:-1]):
            return False
        return provided is None or (provided is FileType.FOLDER and self._file.kind is FileType.FOLDER)

    def _check_uncovered(self, path: str) -> None:
        for earlier in self._seen:
            provided = earlier.provides(path)
            if provided is not None and not (
                provided is FileType.FOLDER and self._file.kind is FileType.FOLDER and path in self._folders
            ):
                raise NeedsRebuild(
                    f"the file that {earlier.copy.instruction} copies to {path} would reappear"
                )

    def _into_folder(self, copy: Copy) -> bool | None:
        """Whether the destination is a folder at this point; None if it is unknown."""
        path = copy.destination
        if path.endswith("/") or any(is_at_or_below(folder, path) for folder in self._folders):
            return True
        found = {earlier.provides(path) for earlier in self._seen}
        if FileType.FOLDER in found:
            return True
        if MAYBE not in found and (found - {None} or (self._stage.from_scratch and not self._has_run)):
            return False
        return self._trace.is_image_folder(path) if self._is_last else None

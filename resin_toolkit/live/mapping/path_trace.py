"""The way of a file from the context through the stages of a Dockerfile."""

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
"""What replaces a folder with all that is in it."""
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
"""Where images have files of their own, which a rebuild would bring back in place of a deleted one."""


@dataclass(frozen=True)
class PathTrace:
    """Where files get to in the last of the stages."""

    stages: Sequence[StageOperations]
    files: ContextFiles
    is_folder: IsFolder
    """Of the image that comes of the last stage."""
    _asked: dict[str, bool | None] = field(default_factory=dict)

    def targets(self, file: ChangedFile) -> tuple[SyncTarget, ...]:
        """Where a file lies in the container, in the order of its paths. Raises NeedsRebuild."""
        last = self.stages[-1]
        if file.change is FileChange.DELETED:
            self._check_named(file.path)
        found = _StageTrace(self, len(self.stages) - 1, file).targets()
        for path in found:
            for volume in last.volumes:
                if is_at_or_below(path, volume):
                    raise NeedsRebuild(f"it lies in the volume {volume}, which outlives the image")
            if file.change is FileChange.DELETED:
                _check_deleted(path, file, last)
        return tuple(found[path] for path in sorted(found))

    def _check_named(self, path: str) -> None:
        """Raises NeedsRebuild for a deleted file that any stage names: the next build fails."""
        for stage in self.stages:
            for operation in stage.operations:
                if not isinstance(operation, Copy) or operation.stage is not None or operation.is_foreign:
                    continue
                if any(
                    not is_pattern(source) and relative_source(source) == path for source in operation.sources
                ):
                    raise NeedsRebuild(f"{operation.instruction} names it, and it is gone")

    def asked(self, path: str) -> bool | None:
        """Whether the image that was built has a folder there."""
        if path not in self._asked:
            self._asked[path] = self.is_folder(path)
        return self._asked[path]


def _check_deleted(path: str, file: ChangedFile, stage: StageOperations) -> None:
    """Raises NeedsRebuild where something else may lie, or have lain, at the same target."""
    if not stage.from_scratch and (path.count("/") == 1 or any(is_at_or_below(path, one) for one in _SYSTEM)):
        raise NeedsRebuild(f"the image may have had something of its own at {path}")
    if file.kind is not FileType.FOLDER:
        return
    for operation in stage.operations:
        inside = operation.path if isinstance(operation, Folder) else ""
        if isinstance(operation, Copy):
            inside = operation.destination.rstrip("/")
        if inside and is_at_or_below(inside, path):
            raise NeedsRebuild(f"other files lie in {path}")


def _owner(copy: Copy, target: SyncTarget) -> str:
    """Who a file belongs to that is copied from a stage: it stays whose it was. Raises NeedsRebuild."""
    if not copy.owner and target.owner.strip("0123456789:"):
        raise NeedsRebuild(f"{copy.instruction} keeps its owner {target.owner}, a name of another image")
    return copy.owner or target.owner


class _StageTrace:
    """The way of one file through one stage."""

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
                found = self._copied(operation, found)
        return found

    def _copied(self, copy: Copy, found: dict[str, SyncTarget]) -> dict[str, SyncTarget]:
        copying = CopyDestination(copy, self._trace.files, self._into_folder(copy))
        new = self._new(copying)
        kept = {path: target for path, target in found.items() if path in new or self._stays(path, copying)}
        if self._file.change is FileChange.DELETED:
            for path in new:
                self._check_uncovered(path)
        self._seen.append(copying)
        return kept | new

    def _new(self, copying: CopyDestination) -> dict[str, SyncTarget]:
        copy = copying.copy
        if copy.is_foreign:
            return {}
        if copy.stage is None:
            copying.check_links()
            return {path: SyncTarget(path, copy.owner, copy.mode) for path in copying.targets_of(self._file)}
        before = _StageTrace(self._trace, copy.stage, self._file).targets()
        return {
            path: SyncTarget(path, _owner(copy, target), target.mode if copy.mode is None else copy.mode)
            for target in before.values()
            for path in copying.targets_from(target.path, self._file)
        }

    def _stays(self, path: str, later: CopyDestination) -> bool:
        """Whether what lies there is not replaced. Raises NeedsRebuild."""
        provided = later.provides(path)
        if provided == MAYBE:
            raise NeedsRebuild(f"{later.copy.instruction} may bring something else to {path}")
        if any(later.provides(above) in _NO_FOLDER for above in list(parents_and_self(path))[1:-1]):
            return False
        return provided is None or (provided is FileType.FOLDER and self._file.kind is FileType.FOLDER)

    def _check_uncovered(self, path: str) -> None:
        for earlier in self._seen:
            provided = earlier.provides(path)
            if provided is not None and not (
                provided is FileType.FOLDER and self._file.kind is FileType.FOLDER and path in self._folders
            ):
                raise NeedsRebuild(f"what {earlier.copy.instruction} brings to {path} would come to light")

    def _into_folder(self, copy: Copy) -> bool | None:
        """Whether the destination is a folder at this point; None where that is not known."""
        path = copy.destination
        if path.endswith("/") or any(is_at_or_below(folder, path) for folder in self._folders):
            return True
        found = {earlier.provides(path) for earlier in self._seen}
        if FileType.FOLDER in found:
            return True
        if MAYBE not in found and (found - {None} or (self._stage.from_scratch and not self._has_run)):
            return False
        return self._trace.asked(path) if self._is_last else None

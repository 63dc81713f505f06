"""The way of a file from the context through the stages of a Dockerfile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from resin_toolkit.live.context_files import ContextFiles, NeedsRebuild, path_and_parents, is_at_or_below, relative_source
from resin_toolkit.live.mapping.actions import FileChange, SyncTarget
from resin_toolkit.live.mapping.copy_destination import MAYBE, CopyDestination, ChangedFile
from resin_toolkit.live.mapping.mapping_inputs import IsFolder
from resin_toolkit.live.mapping.stage_operations import Copy, Folder, Run, Unknown, StageOperations
from resin_toolkit.project.context_walk import Kind
from resin_toolkit.project.glob_patterns import is_pattern

_NO_FOLDER = (Kind.FILE, Kind.LINK, Kind.HARD_LINK)
"""What takes the place of a folder with all that is in it."""
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

    def places(self, subject: ChangedFile) -> tuple[SyncTarget, ...]:
        """Where a file lies in the container, in the order of its paths. Raises Unsure."""
        last = self.stages[-1]
        if subject.change is FileChange.DELETED:
            self._check_named(subject.path)
        found = _StageTrace(self, len(self.stages) - 1, subject).places()
        for path in found:
            for volume in last.volumes:
                if is_at_or_below(path, volume):
                    raise NeedsRebuild(f"it lies in the volume {volume}, which outlives the image")
            if subject.change is FileChange.DELETED:
                _check_deleted(path, subject, last)
        return tuple(found[path] for path in sorted(found))

    def _check_named(self, path: str) -> None:
        """Raises Unsure for a deleted file that any stage names: the next build fails."""
        for stage in self.stages:
            for event in stage.events:
                if not isinstance(event, Copy) or event.stage is not None or event.is_foreign:
                    continue
                if any(not is_pattern(source) and relative_source(source) == path for source in event.sources):
                    raise NeedsRebuild(f"{event.instruction} names it, and it is gone")

    def asked(self, path: str) -> bool | None:
        """Whether the image that was built has a folder there."""
        if path not in self._asked:
            self._asked[path] = self.is_folder(path)
        return self._asked[path]


def _check_deleted(path: str, subject: ChangedFile, stage: StageOperations) -> None:
    """Raises Unsure where something else may lie, or have lain, at the same place."""
    if not stage.from_nothing and (path.count("/") == 1 or any(is_at_or_below(path, one) for one in _SYSTEM)):
        raise NeedsRebuild(f"the image may have had something of its own at {path}")
    if subject.kind is not Kind.FOLDER:
        return
    for event in stage.events:
        inside = event.path if isinstance(event, Folder) else ""
        if isinstance(event, Copy):
            inside = event.destination.rstrip("/")
        if inside and is_at_or_below(inside, path):
            raise NeedsRebuild(f"other files lie in {path}")


def _owner(copy: Copy, place: SyncTarget) -> str:
    """Who a file belongs to that is copied from a stage: it stays whose it was. Raises Unsure."""
    if not copy.owner and place.owner.strip("0123456789:"):
        raise NeedsRebuild(f"{copy.instruction} keeps its owner {place.owner}, a name of another image")
    return copy.owner or place.owner


class _StageTrace:
    """The way of one file through one stage."""

    def __init__(self, tracer: PathTrace, position: int, subject: ChangedFile) -> None:
        self._tracer = tracer
        self._position = position
        self._stage = tracer.stages[position]
        self._is_last = position == len(tracer.stages) - 1
        self._subject = subject
        self._folders: set[str] = set()
        self._seen: list[CopyDestination] = []
        self._has_run = False

    def places(self) -> dict[str, SyncTarget]:
        found: dict[str, SyncTarget] = {}
        for event in self._stage.events:
            if isinstance(event, Unknown):
                raise NeedsRebuild(event.reason)
            if isinstance(event, Folder):
                self._folders.add(event.path)
            elif isinstance(event, Run):
                self._has_run = True
                if found:
                    raise NeedsRebuild(f"{event.instruction} may depend on it")
            else:
                found = self._copied(event, found)
        return found

    def _copied(self, copy: Copy, found: dict[str, SyncTarget]) -> dict[str, SyncTarget]:
        copying = CopyDestination(copy, self._tracer.files, self._into_folder(copy))
        new = self._new(copying)
        kept = {path: place for path, place in found.items() if path in new or self._stays(path, copying)}
        if self._subject.change is FileChange.DELETED:
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
            return {path: SyncTarget(path, copy.owner, copy.mode) for path in copying.places_of(self._subject)}
        before = _StageTrace(self._tracer, copy.stage, self._subject).places()
        return {
            path: SyncTarget(path, _owner(copy, place), place.mode if copy.mode is None else copy.mode)
            for place in before.values()
            for path in copying.places_from(place.path, self._subject)
        }

    def _stays(self, path: str, later: CopyDestination) -> bool:
        """Whether what lies there is not replaced. Raises Unsure."""
        provided = later.provides(path)
        if provided == MAYBE:
            raise NeedsRebuild(f"{later.copy.instruction} may bring something else to {path}")
        if any(later.provides(above) in _NO_FOLDER for above in list(path_and_parents(path))[1:-1]):
            return False
        return provided is None or (provided is Kind.FOLDER and self._subject.kind is Kind.FOLDER)

    def _check_uncovered(self, path: str) -> None:
        for earlier in self._seen:
            provided = earlier.provides(path)
            if provided is not None and not (
                provided is Kind.FOLDER and self._subject.kind is Kind.FOLDER and path in self._folders
            ):
                raise NeedsRebuild(f"what {earlier.copy.instruction} brings to {path} would come to light")

    def _into_folder(self, copy: Copy) -> bool | None:
        """Whether the destination is a folder at this point; None where that is not known."""
        path = copy.destination
        if path.endswith("/") or any(is_at_or_below(folder, path) for folder in self._folders):
            return True
        found = {earlier.provides(path) for earlier in self._seen}
        if Kind.FOLDER in found:
            return True
        if MAYBE not in found and (found - {None} or (self._stage.from_nothing and not self._has_run)):
            return False
        return self._tracer.asked(path) if self._is_last else None

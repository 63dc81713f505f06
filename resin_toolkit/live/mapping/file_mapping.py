"""What a saved file of a project means for the container that runs: it is copied in, or a rebuild is needed.

Three sources say so, the later one wins: what the Dockerfile does with the file, `develop.watch` of a compose
file, and `#dev-copy`. Whatever is not sure is a rebuild, with the reason. One thing is taken for granted:
that an image has no symbolic links which lead two destinations of COPY to the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.live.context_files import ContextFiles, NeedsRebuild, is_at_or_below
from resin_toolkit.live.mapping.actions import FileAction, FileChange, NoAction, Rebuild, Sync
from resin_toolkit.live.mapping.copy_destination import ChangedFile
from resin_toolkit.live.mapping.mapping_inputs import BaseImageLookup, ContextListing, IsFolder
from resin_toolkit.live.mapping.path_trace import PathTrace
from resin_toolkit.live.mapping.stage_operations import Copy, Run, StageOperations, StageReader
from resin_toolkit.live.mapping.watch_rules import WatchRules
from resin_toolkit.project.application import WatchRule
from resin_toolkit.project.context_walk import FileType
from resin_toolkit.project.dev_directives import DevDirectives, DirectiveKind
from resin_toolkit.project.dockerfile import Dockerfile
from resin_toolkit.project.ignore import IGNORE_FILE


@dataclass(frozen=True)
class MappingInputs:
    """What is known of a service beside its Dockerfile."""

    context: ContextListing
    bases: BaseImageLookup
    is_folder: IsFolder = lambda _: None
    """Of the image that was built."""
    mounts: tuple[str, ...] = ()
    """Where something else than the image is seen in the container."""
    dockerfile: str = "Dockerfile"
    """Where it lies in the context."""
    ignore_file: str = IGNORE_FILE
    is_ignored: Callable[[str], bool] = lambda _: False
    """Whether a path is left out of the context."""
    root: Path = Path()
    """The context's folder, for the paths of watch rules."""


@dataclass(frozen=True)
class FileMapping:
    """Made by `make_mapping`."""

    known: MappingInputs
    files: ContextFiles
    derived: PathTrace
    dev: PathTrace | None
    watch: WatchRules

    def action_for(self, path: str, change: FileChange) -> FileAction:
        """What a change of one file, folder or link means; its path is relative to the context."""
        return self.actions_for([(path, change)])[0]

    def actions_for(self, changes: Iterable[tuple[str, FileChange]]) -> list[FileAction]:
        """What each of several changes means that happened together."""
        noted = list(changes)
        self.files.note(noted)
        return [self._action(path, change) for path, change in noted]

    def _action(self, path: str, change: FileChange) -> FileAction:
        if path in (self.known.dockerfile, self.known.ignore_file):
            return Rebuild(f"{path}: the build itself is another one")
        is_outside = path.startswith("../")
        if not is_outside and self.known.is_ignored(path):
            return NoAction()
        return (
            (None if is_outside or not self.dev else self._traced(self.dev, path, change))
            or self.watch.action_for(path)
            or (None if is_outside else self._traced(self.derived, path, change))
            or NoAction()
        )

    def _traced(self, trace: PathTrace, path: str, change: FileChange) -> FileAction | None:
        before, now = self.files.kind_before(path), self.files.kind(path)
        kind = now or before or FileType.FILE
        try:
            targets = trace.targets(ChangedFile(path, kind, change))
            if not targets:
                return None
            for target in targets:
                self._check_mounts(target.path)
            if before and now and before is not now and FileType.FOLDER in (before, now):
                raise NeedsRebuild(f"it was a {before} and is a {now}")
        except NeedsRebuild as unsure:
            return Rebuild(f"{path}: {unsure.reason}")
        return Sync(targets)

    def _check_mounts(self, path: str) -> None:
        for mount in self.known.mounts:
            if is_at_or_below(path, mount):
                raise NeedsRebuild(f"something else is mounted at {mount}")


def make_mapping(
    dockerfile: Dockerfile,
    known: MappingInputs,
    *,
    target: str = "",
    build_args: Mapping[str, str] | None = None,
    directives: DevDirectives | None = None,
    watch: Sequence[WatchRule] = (),
) -> FileMapping:
    """What a file of the context means; `directives` are those with which the plain Dockerfile was built.

    Raises BadValue for a target that does not exist.
    """
    wanted = dockerfile.up_to(target)
    dev = [
        directive.instruction
        for directive in (directives.all if directives else ())
        if directive.kind is not DirectiveKind.COMMAND
    ]
    args = build_args or {}
    files = ContextFiles(known.context)
    stages = StageReader(wanted, args, known.bases, dev).stages()
    lines = {instruction.line for instruction in dev}
    return FileMapping(
        known,
        files,
        PathTrace(stages, files, known.is_folder),
        PathTrace([*stages[:-1], _dev_alone(stages[-1], lines)], files, known.is_folder) if lines else None,
        WatchRules(watch, known.root),
    )


def _dev_alone(stage: StageOperations, lines: set[int]) -> StageOperations:
    """A stage that copies and runs only what stands in these lines; its other folders are there."""
    operations = tuple(
        operation
        for operation in stage.operations
        if not isinstance(operation, Copy | Run) or operation.instruction.line in lines
    )
    return StageOperations(operations, stage.environment, stage.working_dir, (), stage.volumes, False)

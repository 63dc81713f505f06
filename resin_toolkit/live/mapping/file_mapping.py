"""The mapping from a changed file of a project to the action that the running container requires.

Three sources decide, later ones take precedence: what the Dockerfile does with the file, `develop.watch` of a
compose file, and `#dev-copy`. Every doubt is a rebuild, with its reason. One thing is assumed: that no
symbolic links in an image make two destinations of COPY the same.
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
    """What the mapping of a service depends on, beside its Dockerfile."""

    context: ContextListing
    bases: BaseImageLookup
    is_folder: IsFolder = lambda _: None
    """Whether a path of the built image is a folder."""
    mounts: tuple[str, ...] = ()
    """Paths in the container that hide those of the image."""
    dockerfile: str = "Dockerfile"
    """Its path in the context."""
    ignore_file: str = IGNORE_FILE
    is_ignored: Callable[[str], bool] = lambda _: False
    """Whether a path is excluded from the context."""
    root: Path = Path()
    """The context's folder, for the paths of watch rules."""


@dataclass(frozen=True)
class FileMapping:
    """The mapping of one service, made by `make_mapping`."""

    known: MappingInputs
    files: ContextFiles
    derived: PathTrace
    dev: PathTrace | None
    watch: WatchRules

    def action_for(self, path: str, change: FileChange) -> FileAction:
        """The action for a change of one file, folder or link, by its path relative to the context."""
        return self.actions_for([(path, change)])[0]

    def actions_for(self, changes: Iterable[tuple[str, FileChange]]) -> list[FileAction]:
        """The actions for changes that happened together, in the same order."""
        noted = list(changes)
        self.files.note(noted)
        return [self._action(path, change) for path, change in noted]

    def _action(self, path: str, change: FileChange) -> FileAction:
        if path in (self.known.dockerfile, self.known.ignore_file):
            return Rebuild(f"{path} defines the build")
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
                raise NeedsRebuild(f"it was a {before}, and is now a {now}")
        except NeedsRebuild as unsure:
            return Rebuild(f"{path}: {unsure.reason}")
        return Sync(targets)

    def _check_mounts(self, path: str) -> None:
        for mount in self.known.mounts:
            if is_at_or_below(path, mount):
                raise NeedsRebuild(f"a volume or folder is mounted at {mount}")


def make_mapping(
    dockerfile: Dockerfile,
    known: MappingInputs,
    *,
    target: str = "",
    build_args: Mapping[str, str] | None = None,
    directives: DevDirectives | None = None,
    watch: Sequence[WatchRule] = (),
) -> FileMapping:
    """The mapping of a service; `directives` are the `#dev-` lines that took part in the build.

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
    """The stage with only those COPY and RUN operations that are in these lines."""
    operations = tuple(
        operation
        for operation in stage.operations
        if not isinstance(operation, Copy | Run) or operation.instruction.line in lines
    )
    return StageOperations(operations, stage.environment, stage.working_dir, (), stage.volumes, False)

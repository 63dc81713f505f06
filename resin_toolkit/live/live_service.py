"""One service of a project in live mode: what its container holds, and what the folder holds now."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.live.change_batch import ChangeBatch, make_batch
from resin_toolkit.live.context_diff import ContextDiff
from resin_toolkit.live.file_owners import FileOwners, UnknownOwner
from resin_toolkit.live.live_container import ContainerFacts, apply_batch, base_image_lookup, folder_lookup
from resin_toolkit.live.mapping.file_mapping import FileMapping, MappingInputs, make_mapping
from resin_toolkit.live.mapping.mapping_inputs import FolderContext
from resin_toolkit.live.snapshot import Snapshot, scan
from resin_toolkit.live.stable_scan import stable_scan
from resin_toolkit.live.synced_state import SyncedState
from resin_toolkit.project.context_walk import NEVER_SENT
from resin_toolkit.project.ignore import IgnoreRules
from resin_toolkit.push.plan.build_source import BuildSource


class LiveService:
    """Keeps the container of one service in step with its folder.

    `synced` is what the folder was when the container's image was built, or when it was last put in step.
    """

    def __init__(
        self, source: BuildSource, container: str, synced: Snapshot, ignored: Sequence[str] = ()
    ) -> None:
        self.source = source
        self.container = container
        self.name = source.service.name
        self._synced = SyncedState(self.root, synced, source.cache)
        self._ignored = parse_ignored(ignored)
        self._is_ignored: Callable[[str], bool] = cache(
            FolderContext(source.context.root, source.context.rules).is_ignored
        )
        self._asked = ContainerFacts()
        self._refused: Snapshot | None = None

    @property
    def root(self) -> Path:
        return self.source.context.root

    def look(self, engine: Engine) -> tuple[ChangeBatch, Snapshot]:
        """What has changed since the container was in step, and the folder as it is now."""
        now = scan_context(self.source, self._ignored)
        found = self._synced.difference(now)
        if not found:
            return ChangeBatch(), now
        owners = FileOwners(engine, self.container, self._asked.owners)
        try:
            return make_batch(self.root, found, self._mapping(engine, now).actions_for, owners.numbers), now
        except UnknownOwner as error:
            return ChangeBatch(f"the container knows nobody called {error}"), now

    def sync(self, engine: Engine, batch: ChangeBatch, now: Snapshot) -> None:
        """Put the container in step. Raises what `container.apply` raises; then it is not."""
        if batch:
            self.invalidate(now)
            apply_batch(engine, self.container, batch)
        self._synced.mark_synced(now)

    def invalidate(self, now: Snapshot) -> None:
        """It is about to be brought to `now`: until it is, what has changed counts, even if it is undone."""
        self._synced.invalidate(now)

    def learn_hashes(self) -> None:
        """Take the hashes of what the container holds, by which a file that is written anew is no change."""
        self._synced.learn_hashes()

    def was_refused(self, now: Snapshot) -> bool:
        """Whether a build of just these files has failed already."""
        return self._refused == now

    def refuse(self, now: Snapshot) -> None:
        """A build of these files has failed: what the container holds is still the same."""
        self._refused = now

    def _mapping(self, engine: Engine, now: Snapshot) -> FileMapping:
        source, service = self.source, self.source.service
        known = MappingInputs(
            ContextDiff(self.root, self._synced.tree, now, self._is_ignored),
            base_image_lookup(engine, self._asked.bases),
            folder_lookup(engine, self.container, self._asked.folders),
            mounts=tuple(mount.target for mount in service.mounts),
            dockerfile=source.recipe.name,
            ignore_file=source.context.rules.name,
            is_ignored=self._is_ignored,
            root=self.root,
        )
        return make_mapping(
            source.plain or source.dockerfile,
            known,
            build_args=source.args,
            directives=source.directives,
            watch=service.watch,
        )


def scan_context(source: BuildSource, ignored: IgnoreRules) -> Snapshot:
    """The folder of a service as it is now, without what is never sent or watched.

    What `develop.watch` names beside the folder is there by its path from it, which begins with `../`.
    """
    rules = source.context.rules
    kept = (source.recipe.name, rules.name)

    def skip(path: str, is_folder: bool) -> bool:
        if path in NEVER_SENT or ignored.is_ignored(path):
            return True
        # What a later rule brings back may lie in a folder that is left out. What decides how it is built
        # is watched although it may not be sent.
        return rules.is_ignored(path) and not (is_folder and "!" in rules.text) and path not in kept

    def skip_beside(path: str, _: bool) -> bool:
        return path in NEVER_SENT or ignored.is_ignored(path)

    found = stable_scan(lambda: scan(source.context.root, skip))
    for outside in watched_outside(source):
        beside = stable_scan(partial(scan, outside, skip_beside))
        prefix = os.path.relpath(outside, source.context.root).replace(os.sep, "/")
        found |= {f"{prefix}/{path}": stamp for path, stamp in beside.items()}
    return found


def watched_outside(source: BuildSource) -> list[Path]:
    """The folders beside that of a service which its `develop.watch` names."""
    root = Path(os.path.normpath(source.context.root))
    named = [Path(os.path.normpath(rule.path)) for rule in source.service.watch]
    return [path for path in dict.fromkeys(named) if not path.is_relative_to(root) and path.is_dir()]


def parse_ignored(patterns: Sequence[str]) -> IgnoreRules:
    """The rules of `[live] ignore`."""
    return IgnoreRules.parse("\n".join(patterns), "[live] ignore")

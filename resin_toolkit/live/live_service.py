"""One service of a project in live mode: what its container holds, and what its folder holds now."""

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
from resin_toolkit.live.snapshot import Snapshot, scan, stable_scan
from resin_toolkit.live.synced_state import SyncedState
from resin_toolkit.project.context_walk import NEVER_SENT
from resin_toolkit.project.ignore import IgnoreRules
from resin_toolkit.push.plan.build_source import BuildSource


class LiveService:
    """Keeps the container of one service in sync with its folder.

    `synced` is the folder when the container's image was built, or when it was last synced; `ignored` are the
    patterns of `[live] ignore`.
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
        self._facts = ContainerFacts()
        self._failed: Snapshot | None = None

    @property
    def root(self) -> Path:
        """The folder."""
        return self.source.context.root

    def compare(self, engine: Engine) -> tuple[ChangeBatch, Snapshot]:
        """The changes since the container was last in sync, and the folder as it is now."""
        now = scan_context(self.source, self._ignored)
        found = self._synced.difference(now)
        if not found:
            return ChangeBatch(), now
        owners = FileOwners(engine, self.container, self._facts.owners)
        try:
            actions_for = self._mapping(engine, now).actions_for
            return make_batch(self.root, found, actions_for, owners.numbers, self.source.folders), now
        except UnknownOwner as error:
            return ChangeBatch(f"the container has no user or group {error}"), now

    def sync(self, engine: Engine, batch: ChangeBatch, now: Snapshot) -> None:
        """Carry out a batch. Raises what `apply_batch` raises; the container is not in sync then."""
        if batch:
            self.invalidate(now)
            apply_batch(engine, self.container, batch)
        self._synced.mark_synced(now)

    def invalidate(self, now: Snapshot) -> None:
        """Count what differs from `now` as changed until it is synced, even if the change is undone."""
        self._synced.invalidate(now)

    def hash_files(self) -> None:
        """Hash what the container holds: a file that is rewritten with the same content is no change then."""
        self._synced.hash_files()

    def has_failed_with(self, now: Snapshot) -> bool:
        """Whether a build of exactly these files has failed."""
        return self._failed == now

    def mark_failed(self, now: Snapshot) -> None:
        """Remember that a build of these files failed; the container holds what it held before."""
        self._failed = now

    def _mapping(self, engine: Engine, now: Snapshot) -> FileMapping:
        source, service = self.source, self.source.service
        inputs = MappingInputs(
            ContextDiff(self.root, self._synced.tree, now, self._is_ignored),
            base_image_lookup(engine, self._facts.bases),
            folder_lookup(engine, self.container, self._facts.folders),
            mounts=tuple(mount.target for mount in service.mounts),
            dockerfile=source.recipe.name,
            ignore_file=source.context.rules.name,
            is_ignored=self._is_ignored,
            root=self.root,
        )
        return make_mapping(
            source.plain or source.dockerfile,
            inputs,
            build_args=source.args,
            directives=source.directives,
            watch=service.watch,
        )


def scan_context(source: BuildSource, ignored: IgnoreRules) -> Snapshot:
    """The folder of a service, without what is never sent or watched.

    Folders outside it that `develop.watch` names are included, by relative paths that begin with `../`.
    """
    rules = source.context.rules
    always = (source.recipe.name, rules.name)

    def skip(path: str, is_folder: bool) -> bool:
        if path in NEVER_SENT or ignored.is_ignored(path):
            return True
        # An ignored folder may hold a file that a later rule includes again. The Dockerfile and the ignore
        # file are watched even if they are not sent.
        return rules.is_ignored(path) and not (is_folder and "!" in rules.text) and path not in always

    def skip_outside(path: str, _: bool) -> bool:
        return path in NEVER_SENT or ignored.is_ignored(path)

    found = stable_scan(lambda: scan(source.context.root, skip))
    for folder in watched_outside(source):
        outside = stable_scan(partial(scan, folder, skip_outside))
        prefix = os.path.relpath(folder, source.context.root).replace(os.sep, "/")
        found |= {f"{prefix}/{path}": stamp for path, stamp in outside.items()}
    return found


def watched_outside(source: BuildSource) -> list[Path]:
    """The folders outside that of a service which its `develop.watch` names."""
    root = Path(os.path.normpath(source.context.root))
    named = [Path(os.path.normpath(rule.path)) for rule in source.service.watch]
    return [path for path in dict.fromkeys(named) if not path.is_relative_to(root) and path.is_dir()]


def parse_ignored(patterns: Sequence[str]) -> IgnoreRules:
    """The rules of `[live] ignore`."""
    return IgnoreRules.parse("\n".join(patterns), "[live] ignore")

"""One service of a project in live mode: what its container holds, and what the folder holds now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.live.batches import Batch, batch_of
from resin_toolkit.live.container import apply, bases_of, folders_in
from resin_toolkit.live.facts import FolderContext
from resin_toolkit.live.mapping import Mapping_, Surroundings, plan
from resin_toolkit.live.owners import Owners, UnknownOwner
from resin_toolkit.live.settled import settled_scan
from resin_toolkit.live.tree import Tree, difference
from resin_toolkit.project.context_walk import NEVER_SENT
from resin_toolkit.project.ignore import IgnoreRules
from resin_toolkit.push.sources import Source


class LiveService:
    """Keeps the container of one service in step with its folder.

    `held` is what the folder was when the container's image was built, or when it was last put in step.
    """

    def __init__(
        self, engine: Engine, source: Source, container: str, held: Tree, ignored: Sequence[str] = ()
    ) -> None:
        self.source = source
        self.container = container
        self.name = source.service.name
        self._held = held
        self._ignored = ignored_by(ignored)
        self._mapping = _mapping(engine, source, container)
        self._owners = Owners(engine, container)
        self._refused: Tree | None = None

    @property
    def root(self) -> Path:
        return self.source.context.root

    def look(self) -> tuple[Batch, Tree]:
        """What has changed since the container was in step, and the folder as it is now."""
        now = look_at(self.source, self._ignored)
        found = difference(self._held, now)
        if not found:
            return Batch(), now
        try:
            return batch_of(self.root, found, self._mapping.effects, self._owners.numbers), now
        except UnknownOwner as error:
            return Batch(f"the container knows nobody called {error}"), now

    def bring(self, engine: Engine, batch: Batch, now: Tree) -> None:
        """Put the container in step. Raises what `container.apply` raises; then it is not."""
        if batch:
            apply(engine, self.container, batch)
        self._held = now

    def was_refused(self, now: Tree) -> bool:
        """Whether a build of just these files has failed already."""
        return self._refused == now

    def refuse(self, now: Tree) -> None:
        """A build of these files has failed: what the container holds is still the same."""
        self._refused = now


def look_at(source: Source, ignored: IgnoreRules) -> Tree:
    """The folder of a service as it is now, without what is never sent or watched."""
    rules = source.context.rules

    def skip(path: str, is_folder: bool) -> bool:
        if path in NEVER_SENT or ignored.is_ignored(path):
            return True
        # What a later rule brings back may lie in a folder that is left out.
        return rules.is_ignored(path) and not (is_folder and "!" in rules.text) and path not in _kept(source)

    return settled_scan(source.context.root, skip)


def ignored_by(patterns: Sequence[str]) -> IgnoreRules:
    """The rules of `[live] ignore`."""
    return IgnoreRules.parse("\n".join(patterns), "[live] ignore")


def _kept(source: Source) -> tuple[str, ...]:
    """What is watched although it is not sent: what decides how it is built."""
    return (source.recipe.name, source.context.rules.name)


def _mapping(engine: Engine, source: Source, container: str) -> Mapping_:
    service, context = source.service, source.context
    folder = FolderContext(context.root, context.rules)
    known = Surroundings(
        folder,
        bases_of(engine),
        folders_in(engine, container),
        mounts=tuple(mount.target for mount in service.mounts),
        dockerfile=source.recipe.name,
        ignore_file=context.rules.name,
        is_ignored=folder.is_ignored,
        root=context.root,
    )
    return plan(
        source.plain or source.dockerfile,
        known,
        build_args=source.args,
        directives=source.directives,
        watch=service.watch,
    )

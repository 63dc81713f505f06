"""The rules of compose's `develop.watch`.

Source: https://docs.docker.com/reference/compose-file/develop/.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from resin_toolkit.live.mapping.actions import FileAction, Rebuild, Restart, Sync, SyncTarget
from resin_toolkit.project.application import WatchAction, WatchRule
from resin_toolkit.project.ignore import IgnoreRules


@dataclass(frozen=True)
class _Rule:
    rule: WatchRule

    def relative_path(self, path: str) -> str | None:
        """The path relative to that of the rule, `.` for itself; None if the rule does not apply."""
        folder = os.path.normpath(self.rule.path)
        inner = os.path.relpath(path, folder).replace(os.sep, "/")
        if inner == ".." or inner.startswith("../"):
            return None
        if self._ignored.is_ignored(inner) or (self.rule.include and not self._included.is_ignored(inner)):
            return None
        return inner

    @cached_property
    def _ignored(self) -> IgnoreRules:
        return IgnoreRules.parse("\n".join(self.rule.ignore), "develop.watch.ignore")

    @cached_property
    def _included(self) -> IgnoreRules:
        return IgnoreRules.parse("\n".join(self.rule.include), "develop.watch.include")


@dataclass(frozen=True)
class WatchRules:
    """The rules of a service; paths are relative to `root`."""

    rules: Sequence[WatchRule]
    root: Path

    def action_for(self, path: str) -> FileAction | None:
        """The action that the rules require together, a rebuild first of all; None if no rule applies."""
        whole = os.path.normpath(self.root / path)
        found = [
            (known.rule, inner) for known in self._known if (inner := known.relative_path(whole)) is not None
        ]
        if not found:
            return None
        if any(rule.action is WatchAction.REBUILD for rule, _ in found):
            return Rebuild(f"{path}: develop.watch requires a rebuild")
        restart = any(rule.action in (WatchAction.RESTART, WatchAction.SYNC_RESTART) for rule, _ in found)
        targets = tuple(
            dict.fromkeys(
                SyncTarget(posixpath.normpath(posixpath.join("/", rule.target, inner)))
                for rule, inner in found
                if rule.action in (WatchAction.SYNC, WatchAction.SYNC_RESTART)
            )
        )
        return Sync(targets, restart) if targets else Restart()

    @cached_property
    def _known(self) -> tuple[_Rule, ...]:
        return tuple(_Rule(rule) for rule in self.rules)

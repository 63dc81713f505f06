"""Compose's `develop.watch`: what happens to a saved file by the rules of a service.

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

    def inner(self, path: str) -> str | None:
        """The path below that of the rule, `.` for this itself; None if the rule is not about it."""
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
    """The rules of a service; `root` is the folder that paths are relative to."""

    rules: Sequence[WatchRule]
    root: Path

    def action_for(self, path: str) -> FileAction | None:
        """What they say together: a rebuild before all else. None where no rule is about the file."""
        whole = os.path.normpath(self.root / path)
        found = [(known.rule, inner) for known in self._known if (inner := known.inner(whole)) is not None]
        if not found:
            return None
        if any(rule.action is WatchAction.REBUILD for rule, _ in found):
            return Rebuild(f"{path}: develop.watch says rebuild")
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

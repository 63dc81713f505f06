"""The context of a build at two moments, so that what a change means is told from one look at the folder."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.live.mapping.mapping_inputs import is_archive
from resin_toolkit.live.snapshot import Snapshot
from resin_toolkit.project.context_walk import Kind


@dataclass(frozen=True)
class ContextDiff:
    """What the container has, and what the folder holds now: `entries` are those of before, `kind` is of now.

    Whoever asks begins with the entries, and then asks about what has changed. Nothing else counts: not what
    was already asked about and did not get through, nor what is saved at this very moment.
    """

    root: Path
    synced: Snapshot
    now: Snapshot
    is_ignored: Callable[[str], bool]

    def kind(self, path: str) -> Kind | None:
        stamp = self.now.get(path)
        return None if stamp is None or not self._is_sent(path) else _kind(stamp.mode)

    def entries(self) -> Iterator[tuple[str, Kind]]:
        for path, stamp in self.synced.items():
            if self._is_sent(path):
                yield path, _kind(stamp.mode)

    def is_archive(self, path: str) -> bool:
        return is_archive(self.root / path)

    def _is_sent(self, path: str) -> bool:
        return not path.startswith("../") and not self.is_ignored(path)


def _kind(mode: int) -> Kind:
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.LINK if stat.S_ISLNK(mode) else Kind.FILE

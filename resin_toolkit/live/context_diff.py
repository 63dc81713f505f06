"""A build context at the last sync and now, from one scan of the folder."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.live.mapping.mapping_inputs import is_archive
from resin_toolkit.live.snapshot import Snapshot
from resin_toolkit.project.context_walk import FileType


@dataclass(frozen=True)
class ContextDiff:
    """A context listing: `entries` are those of the last sync, `kind` is that of the current scan.

    `ContextFiles` begins with the entries, and looks up what has changed. So neither an earlier sync that
    failed, nor a file that is saved at this moment, changes the result.
    """

    root: Path
    synced: Snapshot
    now: Snapshot
    is_ignored: Callable[[str], bool]

    def kind(self, path: str) -> FileType | None:
        stamp = self.now.get(path)
        return None if stamp is None or not self._is_sent(path) else _kind(stamp.mode)

    def entries(self) -> Iterator[tuple[str, FileType]]:
        for path, stamp in self.synced.items():
            if self._is_sent(path):
                yield path, _kind(stamp.mode)

    def is_archive(self, path: str) -> bool:
        return is_archive(self.root / path)

    def _is_sent(self, path: str) -> bool:
        return not path.startswith("../") and not self.is_ignored(path)


def _kind(mode: int) -> FileType:
    if stat.S_ISDIR(mode):
        return FileType.FOLDER
    return FileType.LINK if stat.S_ISLNK(mode) else FileType.FILE

"""What a container holds of a folder, so that only what has another content counts as changed."""

from __future__ import annotations

import os
from pathlib import Path

from resin_toolkit.live.snapshot import Difference, FileStamp, Snapshot, difference
from resin_toolkit.project.context_digest import Known, hash_of
from resin_toolkit.project.context_walk import identity


class SyncedState:
    """Some files below `root` as they are synced elsewhere, and the hashes of those whose content is known.

    A hash is known only of a file that still had its stamp after it was brought there: what was brought is
    what it holds. `cache` is where hashes are kept from push to push, see `context_digest.Known`.
    """

    def __init__(self, root: Path, tree: Snapshot, cache: Path | None = None) -> None:
        self._root = root
        self._tree = dict(tree)
        self._cache = cache
        self._hashes: dict[str, str] = {}

    @property
    def tree(self) -> Snapshot:
        return self._tree

    def difference(self, now: Snapshot) -> Difference:
        """What has to be done to make `now` of what is synced.

        What was written anew with the same content is no difference, and is synced as it is now.
        """
        found = difference(self._tree, now)
        same = {path for path in found.changed if self._is_same(path, now[path])}
        self._tree |= {path: now[path] for path in same}
        return Difference(tuple(path for path in found.changed if path not in same), found.deleted)

    def invalidate(self, now: Snapshot) -> None:
        """It is about to be made `now`. That may be cut: of what differs it is not known what is synced."""
        for path in [path for path in self._hashes if self._tree.get(path) != now.get(path)]:
            del self._hashes[path]

    def mark_synced(self, now: Snapshot) -> None:
        """It was made `now`."""
        self.invalidate(now)
        self._tree = dict(now)

    def learn_hashes(self) -> None:
        """Take the hashes that are not known yet, of the files that are still as they were brought."""
        wanted = [path for path, stamp in self._tree.items() if path not in self._hashes and stamp.is_file]
        if not wanted:
            return
        # What is saved later is not in there, or is read as quickly.
        known, self._cache = Known.at(self._cache), None
        for path in wanted:
            found = self._hash(path, self._tree[path], known)
            if found is not None:
                self._hashes[path] = found

    def _is_same(self, path: str, now: FileStamp) -> bool:
        if path not in self._hashes or not now.differs_in_times_alone(self._tree[path]):
            return False
        return self._hash(path, now, Known()) == self._hashes[path]

    def _hash(self, path: str, stamp: FileStamp, known: Known) -> str | None:
        """The hash of a file that has this stamp; None where it has another one by now."""
        # Not through the folder itself, which may be named by a link, where it lies beside it.
        file = os.path.normpath(self._root / path)
        if not stamp.is_stable:
            return None
        try:
            if identity(os.lstat(file)) != stamp.identity:
                return None
            kept = known.get(path, stamp.identity)
            if kept is not None:
                return kept
            same, value = hash_of(file)
        except OSError:
            return None
        return value if same == stamp.identity else None

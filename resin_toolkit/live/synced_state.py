"""What a container holds of a folder, so that only files with another content count as changed."""

from __future__ import annotations

import os
from pathlib import Path

from resin_toolkit.live.snapshot import Difference, FileStamp, Snapshot, difference
from resin_toolkit.project.context_digest import HashCache, hash_file
from resin_toolkit.project.context_walk import file_identity


class SyncedState:
    """Files below `root` as they were synced to a container, with hashes of those whose content is known.

    A hash is known only of a file whose stamp was unchanged after it was sent: what was sent is what the
    container holds. `cache` is the file that keeps hashes from push to push, see `context_digest.Known`.
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
        """What has to change to bring the container to `now`.

        Files that were rewritten with the same content are no difference; their new stamps are kept.
        """
        found = difference(self._tree, now)
        same = {path for path in found.changed if self._is_same(path, now[path])}
        self._tree |= {path: now[path] for path in same}
        return Difference(tuple(path for path in found.changed if path not in same), found.deleted)

    def invalidate(self, now: Snapshot) -> None:
        """Forget the hashes of what differs from `now`: a sync to it begins, and may be interrupted."""
        for path in [path for path in self._hashes if self._tree.get(path) != now.get(path)]:
            del self._hashes[path]

    def mark_synced(self, now: Snapshot) -> None:
        """The container now holds `now`."""
        self.invalidate(now)
        self._tree = dict(now)

    def hash_files(self) -> None:
        """Hash the files whose hash is unknown and that are still as they were sent."""
        wanted = [path for path, stamp in self._tree.items() if path not in self._hashes and stamp.is_file]
        if not wanted:
            return
        known, self._cache = HashCache.at(self._cache), None
        for path in wanted:
            found = self._hash(path, self._tree[path], known)
            if found is not None:
                self._hashes[path] = found

    def _is_same(self, path: str, now: FileStamp) -> bool:
        if path not in self._hashes or not now.differs_only_in_times(self._tree[path]):
            return False
        return self._hash(path, now, HashCache()) == self._hashes[path]

    def _hash(self, path: str, stamp: FileStamp, known: HashCache) -> str | None:
        """The hash of a file with this stamp; None if the file has changed by now."""
        # A path outside the folder begins with `../`: it must not be resolved through a link to the folder.
        file = os.path.normpath(self._root / path)
        if not stamp.is_stable:
            return None
        try:
            if file_identity(os.lstat(file)) != stamp.identity:
                return None
            kept = known.get(path, stamp.identity)
            if kept is not None:
                return kept
            same, value = hash_file(file)
        except OSError:
            return None
        return value if same == stamp.identity else None

"""The check of a whole volume before every change.

It reads all directories and cluster chains and compares the FATs, so that nothing is written to an
inconsistent file system.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from image_tools.fat.geometry import Geometry
from image_tools.fat.table import FatTable, damaged
from image_tools.fat.tree import MAX_DIRECTORY_SIZE, Tree
from image_tools.fat.volume import Volume
from resin_toolkit.errors import Refused

_MAX_CLUSTERS = 1 << 26
"""The largest volume that is checked, and so changed: 256 GiB with clusters of 4 KiB."""
_MAX_STALE = 100_000
"""A change that is interrupted leaves some hundred entries."""
_UNUSED, _OF_FILE, _OF_DIRECTORY = 0, 1, 2


@dataclass(frozen=True)
class CheckResult:
    """The result of checking a consistent volume."""

    free_clusters: int
    stale: tuple[int, ...]
    """The clusters, used by no directory, whose entries in a mirror FAT differ and can be repaired."""


def check(volume: Volume, geometry: Geometry, table: FatTable, tree: Tree) -> CheckResult:
    """Raise FileSystemDamaged unless the volume is consistent enough to be written to."""
    owners = _owners(geometry, tree)
    stale = []
    for cluster, ours, mirrored in table.differences():
        if cluster == 0 and ours != (geometry.fat_type.mask & ~0xFF | geometry.media):
            raise damaged("its first FAT does not begin with the media byte, and the second one differs")
        if ours != mirrored and cluster <= geometry.last_cluster and owners[cluster] != _UNUSED:
            extended = owners[cluster] == _OF_DIRECTORY and mirrored > geometry.fat_type.bad
            if not extended or not _ends_empty(volume, geometry, table, cluster):
                raise damaged(f"its FATs differ in cluster {cluster}, which is in use")
        stale.append(cluster)
        if len(stale) > _MAX_STALE:
            raise damaged("its FATs differ in very many clusters")
    return CheckResult(table.count_free(), tuple(stale))


def _owners(geometry: Geometry, tree: Tree) -> bytearray:
    """The use of each cluster, by its number."""
    if geometry.cluster_count > _MAX_CLUSTERS:
        raise Refused(
            f"The FAT file system has {geometry.cluster_count} clusters, too many to be changed by resin.",
            hint="Mount it to change it.",
        )
    owners = bytearray(geometry.last_cluster + 1)

    def claim(clusters: Sequence[int], owner: int, path: str) -> None:
        count = len(clusters)
        first = clusters[0] if count else 0
        if (
            clusters == array("I", range(first, first + count))
            and owners.count(0, first, first + count) == count
        ):
            owners[first : first + count] = bytes((owner,)) * count
            return
        for cluster in clusters:
            if owners[cluster]:
                raise damaged(f"cluster {cluster} belongs to {path} and to another file (cross-linked)")
            owners[cluster] = owner

    waiting = [tree.root()]
    claim(waiting[0].clusters, _OF_DIRECTORY, "/")
    while waiting:
        for entry in waiting.pop().entries():
            if entry.is_directory:
                directory = tree.open_directory(entry)
                claim(directory.clusters, _OF_DIRECTORY, entry.path)
                waiting.append(directory)
            else:
                claim(tree.clusters(entry), _OF_FILE, entry.path)
    return owners


def _ends_empty(volume: Volume, geometry: Geometry, table: FatTable, cluster: int) -> bool:
    """Whether a directory's chain is empty after `cluster`: extending it was interrupted."""
    for later in table.chain(cluster, "a directory", MAX_DIRECTORY_SIZE // geometry.cluster_size + 1)[1:]:
        if any(volume.read(geometry.cluster_start(later), geometry.cluster_size)):
            return False
    return True

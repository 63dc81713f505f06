"""Reading the directories and files of a FAT volume."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from image_tools.fat.directory import MAX_SLOTS, Directory, DirectoryEntry
from image_tools.fat.geometry import SLOT, FatType, Geometry
from image_tools.fat.names import split_path
from image_tools.fat.table import FatTable, damaged, runs
from image_tools.fat.volume import Volume
from resin_toolkit.errors import BadValue, PathNotFound

CHUNK = 1 << 20
MAX_FILE_SIZE = (1 << 32) - 1
MAX_DIRECTORY_SIZE = MAX_SLOTS * SLOT


class Tree:
    """The directory tree of a volume, read on demand."""

    def __init__(self, volume: Volume, geometry: Geometry, table: FatTable) -> None:
        self._volume = volume
        self._geometry = geometry
        self._table = table

    def root(self) -> Directory:
        geometry = self._geometry
        if geometry.fat_type is FatType.FAT32:
            return self._read_directory("/", geometry.root_cluster)
        position, size = geometry.fixed_root_start, geometry.fixed_root_size
        return Directory("/", [], [(position, size)], self._volume.read(position, size), geometry)

    def directory(self, path: str) -> Directory:
        """The directory at `path`; raises PathNotFound, or BadValue if it is a file."""
        directory = self.root()
        for name in split_path(path):
            entry = directory.find(name)
            if entry is None:
                raise not_found(f"{directory.path.rstrip('/')}/{name}")
            directory = self.open_directory(entry)
        return directory

    def open_directory(self, entry: DirectoryEntry) -> Directory:
        """The directory of an entry; raises BadValue if the entry is a file."""
        if not entry.is_directory:
            raise BadValue(f"{entry.path} is a file, not a directory.", hint="Name a directory.")
        return self._read_directory(entry.path, entry.first_cluster)

    def find(self, path: str) -> DirectoryEntry | None:
        """The entry at `path`, or None; the root has no entry."""
        *parents, name = split_path(path) or [""]
        directory = self.root()
        for parent in parents:
            entry = directory.find(parent)
            if entry is None or not entry.is_directory:
                return None
            directory = self.open_directory(entry)
        return directory.find(name) if name else None

    def clusters(self, entry: DirectoryEntry) -> array[int]:
        """The clusters of an entry, none for an empty file; raises FileSystemDamaged if they are too few."""
        if not entry.first_cluster and not entry.is_directory:
            chain = array("I")
        else:
            longest = MAX_DIRECTORY_SIZE if entry.is_directory else MAX_FILE_SIZE
            most = longest // self._geometry.cluster_size + 1
            chain = self._table.chain(entry.first_cluster, entry.path, most)
        if len(chain) * self._geometry.cluster_size < entry.size and not entry.is_directory:
            raise damaged(f"the chain of {entry.path} is shorter than the file, which has {entry.size} bytes")
        return chain

    def chunks(self, entry: DirectoryEntry) -> Iterator[bytes]:
        """The content of a file, in extents of at most 1 MiB."""
        if entry.is_directory:
            raise BadValue(f"{entry.path} is a directory, not a file.", hint="Name a file.")
        rest = entry.size
        size = self._geometry.cluster_size
        for first, count in runs(self.clusters(entry)):
            start, end = (
                self._geometry.cluster_start(first),
                self._geometry.cluster_start(first) + count * size,
            )
            while start < end and rest:
                length = min(CHUNK, end - start, rest)
                yield self._volume.read(start, length)
                start += length
                rest -= length

    def _read_directory(self, path: str, first_cluster: int) -> Directory:
        size = self._geometry.cluster_size
        most = MAX_DIRECTORY_SIZE // size + 1
        clusters = list(self._table.chain(first_cluster, f"the directory {path}", most))
        extents = [(self._geometry.cluster_start(first), count * size) for first, count in runs(clusters)]
        data = b"".join(self._volume.read(position, length) for position, length in extents)
        return Directory(path, clusters, extents, data, self._geometry)


def not_found(path: str) -> PathNotFound:
    return PathNotFound(
        f"{path} does not exist in the partition.",
        hint="List the files with `resin image ls`. Names are not case-sensitive.",
    )

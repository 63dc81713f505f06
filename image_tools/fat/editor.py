"""Changing a FAT volume so that a power cut at any write leaves each file either old or new.

The order of writes: new data to free clusters; the first FAT, then its mirrors; the one directory sector
that switches from old to new; the freed old chain; the free count of FSInfo. Each step is flushed before the
next. Sectors are assumed to be written atomically.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime

from image_tools.fat.changes import Change, FileSource, MakeDirectory, Put, Remove
from image_tools.fat.directory import (
    ATTRIBUTE_ARCHIVE,
    ATTRIBUTE_DIRECTORY,
    DELETED,
    END_OF_DIRECTORY,
    Directory,
    DirectoryEntry,
    new_slot,
    updated_slot,
)
from image_tools.fat.geometry import FIRST_CLUSTER, SLOT, FatType, Geometry
from image_tools.fat.names import check_name, is_short_name, long_name_slots, short_name, split_path
from image_tools.fat.table import FREE, FatTable, runs
from image_tools.fat.tree import CHUNK, Tree, not_found
from image_tools.fat.volume import Volume
from resin_toolkit.errors import BadValue, IoFailed, NoSpace

MAX_FILE_SIZE = 0xFFFFFFFF
_FSINFO_SIGNATURES = ((0, 0x41615252), (484, 0x61417272), (508, 0xAA550000))
_FSINFO_FREE, _FSINFO_NEXT = 488, 492


class Editor:
    """Applies changes to a checked volume; `free_clusters` is the count that the check found."""

    def __init__(self, volume: Volume, geometry: Geometry, free_clusters: int, now: datetime) -> None:
        self._volume = volume
        self._geometry = geometry
        self._table = FatTable(volume, geometry)
        self._tree = Tree(volume, geometry, self._table)
        self._free = free_clusters
        self._now = now
        self._next = self._fsinfo_next()

    def apply(self, change: Change) -> None:
        match change:
            case Put():
                self._put(change)
            case Remove():
                self._remove(change)
            case MakeDirectory():
                self._make_directory(change)

    def finish(self) -> None:
        """Update the free count and the allocation hint of FSInfo."""
        sector = self._fsinfo()
        if sector is None or self._geometry.fsinfo_start is None:
            return
        changed = bytearray(sector)
        struct.pack_into("<II", changed, _FSINFO_FREE, self._free, self._next)
        if changed != sector:
            self._volume.write(self._geometry.fsinfo_start, changed)
            self._volume.flush()

    def _put(self, change: Put) -> None:
        parent, name = self._parent(change.path, make=change.make_parents)
        entry = parent.find(name)
        source = change.source
        if source.size > MAX_FILE_SIZE:
            raise NoSpace(
                f"{change.path} has {source.size} bytes.", hint="A file on FAT has less than 4 GiB."
            )
        if entry is None:
            self._create(parent, name, ATTRIBUTE_ARCHIVE, source)
        elif entry.is_directory:
            raise BadValue(f"{entry.path} is a directory.", hint="Remove it first, or choose another name.")
        else:
            self._replace(parent, entry, source)

    def _replace(self, parent: Directory, entry: DirectoryEntry, source: FileSource) -> None:
        old = self._tree.clusters(entry)
        clusters = self._allocate(self._clusters_for(source.size))
        self._write_content(clusters, source)
        self._write_chains(clusters)
        index = entry.slots[-1]
        first = clusters[0] if clusters else 0
        slot = updated_slot(parent.slot(index), first, source.size, self._now)
        parent.data[index * SLOT : (index + 1) * SLOT] = slot
        self._write_sectors(parent, [parent.sector_of(index)])
        self._free_chain(old)

    def _create(self, parent: Directory, name: str, attributes: int, source: FileSource | None) -> None:
        """Create a file with the contents of `source`, or an empty directory if `source` is None."""
        check_name(name)
        aliases = parent.aliases()
        alias = short_name(name, aliases)
        long_name = [] if is_short_name(name) else long_name_slots(name, alias)
        per_cluster = self._geometry.cluster_size // SLOT if parent.clusters else 0
        place = parent.find_slots(len(long_name) + 1, per_cluster)
        size = 0 if source is None else source.size
        own = 1 if source is None else self._clusters_for(size)
        taken = self._allocate(place.grow + own, after=parent.clusters[-1] if place.grow else None)
        growth, clusters = taken[: place.grow], taken[place.grow :]
        if source is None:
            self._write_empty_directory(clusters[0], parent)
        else:
            self._write_content(clusters, source)
        self._clear(growth)
        self._write_chains(clusters, growth)
        if growth:
            self._table.update({parent.clusters[-1]: growth[0]})
            parent = self._tree.directory(parent.path)
        first = clusters[0] if clusters else 0
        self._insert(parent, place.start, [*long_name, new_slot(alias, attributes, first, size, self._now)])

    def _make_directory(self, change: MakeDirectory) -> None:
        if change.exist_ok and not split_path(change.path):
            return
        parent, name = self._parent(change.path, make=change.make_parents)
        entry = parent.find(name)
        if entry is None:
            self._create(parent, name, ATTRIBUTE_DIRECTORY, None)
        elif not (change.exist_ok and entry.is_directory):
            raise BadValue(f"{entry.path} already exists.", hint="Choose another name.")

    def _remove(self, change: Remove) -> None:
        parent, name = self._parent(change.path, make=False)
        entry = parent.find(name)
        if entry is None:
            raise not_found(change.path)
        self._remove_entry(parent, entry, recursive=change.recursive)

    def _remove_entry(self, parent: Directory, entry: DirectoryEntry, *, recursive: bool) -> None:
        if entry.is_directory:
            directory = self._tree.open_directory(entry)
            children = directory.entries()
            if children and not recursive:
                raise BadValue(
                    f"The directory {entry.path} is not empty.",
                    hint="Use --recursive to remove it and its contents.",
                )
            for child in children:
                self._remove_entry(directory, child, recursive=True)
            clusters: Sequence[int] = directory.clusters
        else:
            clusters = self._tree.clusters(entry)
        self._erase(parent, entry)
        self._free_chain(clusters)

    def _parent(self, path: str, *, make: bool) -> tuple[Directory, str]:
        """The parent directory of `path`, and the last component."""
        names = split_path(path)
        if not names:
            raise BadValue(
                "The root directory itself cannot be written or removed.", hint="Name a file in it."
            )
        directory = self._tree.root()
        for name in names[:-1]:
            entry = directory.find(name)
            if entry is None:
                if not make:
                    raise not_found(f"{directory.path.rstrip('/')}/{name}")
                self._create(directory, name, ATTRIBUTE_DIRECTORY, None)
                directory = self._tree.directory(directory.path)
                entry = directory.find(name)
                assert entry is not None
            directory = self._tree.open_directory(entry)
        return directory, names[-1]

    # directories

    def _insert(self, directory: Directory, start: int, slots: list[bytes]) -> None:
        """Write `slots` from slot `start` on; last the sector with the 8.3 entry, which makes it visible."""
        end, last = directory.end(), start + len(slots) - 1
        if last >= end:
            self._clear_past_end(directory, end, last)
            self._skip(directory, end, start)
        directory.data[start * SLOT : (last + 1) * SLOT] = b"".join(slots)
        first_sector, last_sector = directory.sector_of(start), directory.sector_of(last)
        self._write_sectors(directory, range(first_sector, last_sector))
        self._write_sectors(directory, [last_sector])

    def _clear_past_end(self, directory: Directory, end: int, last: int) -> None:
        """Clear the slots after the end marker, up to the slot after `last`.

        Their contents are undefined, and would be read as entries once the end marker moves.
        """
        stale = [
            index
            for index in range(end + 1, min(last + 2, directory.slot_count))
            if directory.data[index * SLOT] != END_OF_DIRECTORY
        ]
        for index in stale:
            directory.data[index * SLOT] = END_OF_DIRECTORY
        self._write_sectors(directory, sorted({directory.sector_of(index) for index in stale}))

    def _skip(self, directory: Directory, end: int, start: int) -> None:
        """Mark the slots between the directory's end and `start` as deleted."""
        for index in range(end, start):
            directory.data[index * SLOT] = DELETED
        sectors = {directory.sector_of(index) for index in range(end, start)}
        self._write_sectors(directory, sorted(sectors - {directory.sector_of(start)}))

    def _erase(self, directory: Directory, entry: DirectoryEntry) -> None:
        """Delete the entry's slots, starting with the sector of the 8.3 entry, which makes it disappear."""
        for index in entry.slots:
            directory.data[index * SLOT] = DELETED
        decisive = directory.sector_of(entry.slots[-1])
        self._write_sectors(directory, [decisive])
        self._write_sectors(directory, sorted({directory.sector_of(i) for i in entry.slots} - {decisive}))

    def _write_sectors(self, directory: Directory, sectors: list[int] | range) -> None:
        for sector in sectors:
            position, content = directory.sector_bytes(sector)
            self._volume.write(position, content)
        if sectors:
            self._volume.flush()

    def _write_empty_directory(self, cluster: int, parent: Directory) -> None:
        above = 0 if parent.is_root else parent.clusters[0]
        itself = new_slot(b".          ", ATTRIBUTE_DIRECTORY, cluster, 0, self._now)
        dots = itself + new_slot(b"..         ", ATTRIBUTE_DIRECTORY, above, 0, self._now)
        self._volume.write(
            self._geometry.cluster_start(cluster), dots.ljust(self._geometry.cluster_size, b"\0")
        )

    # clusters

    def _clusters_for(self, size: int) -> int:
        return -(-size // self._geometry.cluster_size)

    def _allocate(self, count: int, *, after: int | None = None) -> list[int]:
        taken = self._table.allocate(count, self._next, after=after)
        if taken:
            self._next = taken[-1] + 1 if taken[-1] < self._geometry.last_cluster else FIRST_CLUSTER
        self._free -= count
        return taken

    def _write_chains(self, *chains: list[int]) -> None:
        """Flush the data written to the clusters, then link each list of clusters into a chain."""
        entries: dict[int, int] = {}
        for chain in chains:
            entries.update(
                zip(chain, [*chain[1:], self._geometry.fat_type.end], strict=True) if chain else ()
            )
        if entries:
            self._volume.flush()
            self._table.update(entries)

    def _free_chain(self, clusters: Sequence[int]) -> None:
        self._table.update(dict.fromkeys(clusters, FREE))
        self._free += len(clusters)

    def _clear(self, clusters: list[int]) -> None:
        for cluster in clusters:
            self._volume.write(self._geometry.cluster_start(cluster), bytes(self._geometry.cluster_size))

    def _write_content(self, clusters: list[int], source: FileSource) -> None:
        """Write the source to `clusters`, and fill the last one with zeros."""
        if self._volume.is_dry_run or not clusters:
            return
        rest = source.size
        with source.open() as stream:
            for first, count in runs(clusters):
                start = self._geometry.cluster_start(first)
                end = start + count * self._geometry.cluster_size
                while start < end:
                    length = min(CHUNK, end - start)
                    data = stream.read(min(length, rest))
                    if len(data) < min(length, rest):
                        raise IoFailed("A file was truncated while it was being read.", hint="Try again.")
                    rest -= len(data)
                    self._volume.write(start, data.ljust(length, b"\0"))
                    start += length

    # FSInfo

    def _fsinfo(self) -> bytes | None:
        """The FSInfo sector of a FAT32 volume; None if it is invalid."""
        start = self._geometry.fsinfo_start
        if start is None or self._geometry.fat_type is not FatType.FAT32:
            return None
        sector = self._volume.read(start, self._geometry.sector_size)
        signed = all(struct.unpack_from("<I", sector, at)[0] == value for at, value in _FSINFO_SIGNATURES)
        return sector if signed else None

    def _fsinfo_next(self) -> int:
        sector = self._fsinfo()
        return FIRST_CLUSTER if sector is None else int(struct.unpack_from("<I", sector, _FSINFO_NEXT)[0])

"""A FAT volume inside any seekable binary file object."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, Self

from image_tools.fat.changes import Change
from image_tools.fat.check import CheckResult, check
from image_tools.fat.directory import DirectoryEntry
from image_tools.fat.editor import Editor
from image_tools.fat.geometry import BOOT_SECTOR, FatType, Geometry, read_geometry
from image_tools.fat.names import split_path
from image_tools.fat.table import FatTable
from image_tools.fat.tree import Tree, not_found
from image_tools.fat.volume import DryRunVolume, Volume
from resin_toolkit.errors import BadValue, FileSystemDamaged, NotAnImage, Notice

MAX_READ = 16 * 1024 * 1024
"""Bytes of a file that is read at once; `chunks` reads files of any size."""
_MAX_ENTRIES = 100_000
"""Files and directories that are walked through. Boot partitions have some hundred."""
_MAX_DEPTH = 128
_MAX_SLOTS = 4_000_000
"""Slots of all directories that are walked through, used or not."""


class FatFileSystem:
    """A FAT12, FAT16 or FAT32 volume. Paths are separated by "/" and not case-sensitive.

    Reads on demand. A change is preceded by a check of the whole volume. `notices` collects notices for the
    user.
    """

    def __init__(self, volume: Volume, geometry: Geometry) -> None:
        self._volume = volume
        self._geometry = geometry
        self._table = FatTable(volume, geometry)
        self._tree = Tree(volume, geometry, self._table)
        self.notices: list[Notice] = []
        if self._is_dirty():
            self.notices.append(
                Notice("fat-dirty", "The FAT file system was not unmounted cleanly when it was last used.")
            )

    @classmethod
    def open(cls, file: BinaryIO, offset: int = 0, size: int | None = None) -> Self:
        """Open the volume at byte `offset` of `file`; `size` bytes are available, or the rest of the file.

        Raises NotAnImage if it is not a FAT volume, FileSystemDamaged if its boot sector is inconsistent.
        """
        if size is None:
            size = file.seek(0, os.SEEK_END) - offset
        volume = Volume(file, offset, size)
        if size < BOOT_SECTOR:
            raise NotAnImage(
                "The partition is too small for a FAT file system.",
                hint="Name the partition that holds one.",
            )
        return cls(volume, read_geometry(volume.read(0, BOOT_SECTOR), size))

    @property
    def fat_type(self) -> FatType:
        return self._geometry.fat_type

    @property
    def cluster_size(self) -> int:
        """In bytes."""
        return self._geometry.cluster_size

    @property
    def cluster_count(self) -> int:
        return self._geometry.cluster_count

    @property
    def label(self) -> str:
        """The volume label: that of the root directory, else that of the boot sector, else empty."""
        label = self._tree.root().label()
        return self._geometry.label if label is None else label

    def free_bytes(self) -> int:
        """The size of the free clusters, counted in the FAT rather than taken from FSInfo."""
        return self._table.count_free() * self._geometry.cluster_size

    def list(self, path: str = "/") -> list[DirectoryEntry]:
        """The entries of a directory, in the order of their slots."""
        return self._tree.directory(path).entries()

    def find(self, path: str) -> DirectoryEntry | None:
        """The entry at `path`, or None."""
        return self._tree.find(path)

    def stat(self, path: str) -> DirectoryEntry:
        """The entry at `path`; raises PathNotFound."""
        entry = self._tree.find(path)
        if entry is None:
            raise not_found(path)
        return entry

    def read(self, path: str) -> bytes:
        """The contents of a file; raises PathNotFound, or BadValue for a directory or a file over 16 MiB."""
        size = self.stat(path).size if split_path(path) else 0
        if size > MAX_READ:
            raise BadValue(
                f"{path} is too large to be read at once: it has {size} bytes.",
                hint="Copy it out of the image with `resin image get`.",
            )
        return b"".join(self.chunks(path))

    def chunks(self, path: str) -> Iterator[bytes]:
        """The contents of a file, in chunks of at most 1 MiB."""
        if not split_path(path):
            raise BadValue("/ is a directory, not a file.", hint="Name a file.")
        return self._tree.chunks(self.stat(path))

    def walk(self, path: str = "/") -> Iterator[DirectoryEntry]:
        """Every file and directory below `path`, each directory before its contents.

        Raises FileSystemDamaged for a directory that is linked twice, or far too many files or levels.
        """
        top = self._tree.directory(path)
        waiting = [iter(top.entries())]
        entered: set[int] = set()
        walked, slots = 0, top.slot_count
        while waiting:
            entry = next(waiting[-1], None)
            if entry is None:
                waiting.pop()
                continue
            walked += 1
            if walked > _MAX_ENTRIES or slots > _MAX_SLOTS or len(waiting) > _MAX_DEPTH:
                limit = f"{_MAX_DEPTH} levels" if len(waiting) > _MAX_DEPTH else f"{_MAX_ENTRIES} files"
                raise FileSystemDamaged(
                    f"The directory {path} has more than {limit}.",
                    hint="List its directories one at a time, without --recursive.",
                )
            yield entry
            if entry.is_directory:
                if entry.first_cluster in entered:
                    raise FileSystemDamaged(
                        f"The directory {entry.path} is linked twice.", hint="Repair it with `fsck.fat`."
                    )
                entered.add(entry.first_cluster)
                directory = self._tree.open_directory(entry)
                slots += directory.slot_count
                waiting.append(iter(directory.entries()))

    def check(self) -> None:
        """Raise FileSystemDamaged unless the volume is consistent enough to be written to."""
        check(self._volume, self._geometry, self._table, self._tree)

    def dry_run(self, changes: Sequence[Change], *, now: datetime | None = None) -> None:
        """Raise what `apply` would raise for `changes`, without writing anything."""
        self._check_changes(changes, now or _write_time())

    def apply(self, changes: Sequence[Change], *, now: datetime | None = None) -> None:
        """Make `changes`, in order, dated `now`.

        `now` defaults to the local time, which FAT stores, or to SOURCE_DATE_EPOCH (reproducible-builds.org)
        in UTC. All changes are tried in memory first: if one fails, nothing is written. A mirror FAT that an
        interrupted change left behind is repaired, with a notice. After a power cut each file is either old
        or new.
        Raises PathNotFound, BadValue, NoSpace, FileSystemDamaged, or the OSError of the file object.
        """
        if not changes:
            return
        moment = now or _write_time()
        checkup = self._check_changes(changes, moment)
        if checkup.stale:
            self._table.repair_mirrors(checkup.stale)
            self.notices.append(
                Notice(
                    "fat-mended",
                    "An earlier change was interrupted; the second FAT was repaired from the first.",
                )
            )
        try:
            self._run(self._volume, checkup.free_clusters, changes, moment)
        finally:
            self._table = FatTable(self._volume, self._geometry)
            self._tree = Tree(self._volume, self._geometry, self._table)

    def _check_changes(self, changes: Sequence[Change], now: datetime) -> CheckResult:
        checkup = check(self._volume, self._geometry, self._table, self._tree)
        self._run(DryRunVolume(self._volume), checkup.free_clusters, changes, now)
        return checkup

    def _run(self, volume: Volume, free: int, changes: Sequence[Change], now: datetime) -> None:
        editor = Editor(volume, self._geometry, free, now)
        for change in changes:
            editor.apply(change)
        editor.finish()

    def _is_dirty(self) -> bool:
        """Whether the volume was not unmounted cleanly."""
        if self._geometry.fat_type is FatType.FAT12:
            return bool(self._geometry.state & 1)
        clean = 1 << (self._geometry.fat_type.bits - (1 if self._geometry.fat_type is FatType.FAT16 else 5))
        return bool(self._geometry.state & 1) or not self._table[1] & clean


def _write_time() -> datetime:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return datetime.now()
    try:
        return datetime.fromtimestamp(int(epoch), UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        raise BadValue(
            f"SOURCE_DATE_EPOCH is not a number of seconds: {epoch!r}.",
            hint="Unset it, or set it to seconds.",
        ) from None

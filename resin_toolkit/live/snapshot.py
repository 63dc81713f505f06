"""Snapshots of folders, to find what has changed between two of them."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TICK = 20_000_000
"""Nanoseconds: more than the resolution of file times in a kernel (4 or 10 ms)."""
_STABLE_ATTEMPTS = 25

Skip = Callable[[str, bool], bool]
"""Whether to leave out a path, relative and with `/`; the second argument tells whether it is a folder."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """The attributes that reveal a change of a file; `link` is the target of a symbolic link."""

    mode: int
    """Type and permissions, as st_mode."""
    size: int
    modified: int
    """Nanoseconds, as st_mtime_ns."""
    changed: int
    """Nanoseconds, as st_ctime_ns, which no program can set."""
    inode: int
    link: str
    is_stable: bool = field(default=True, compare=False)
    """Whether another write after this scan is sure to change the stamp."""

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def identity(self) -> tuple[int, ...]:
        """As `context_walk.identity`."""
        return self.size, self.modified, self.inode, self.changed

    def differs_only_in_times(self, other: FileStamp) -> bool:
        """Whether both are of a regular file, and only the times or the inode may differ."""
        return self.is_file and (self.mode, self.size) == (other.mode, other.size)


Snapshot = Mapping[str, FileStamp]
"""By path, relative to the folder."""


@dataclass(frozen=True)
class Difference:
    """Paths that are new or changed, and deleted ones, each sorted: folders before their content."""

    changed: tuple[str, ...]
    deleted: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.changed or self.deleted)


def scan(root: str | os.PathLike[str], skip: Skip) -> dict[str, FileStamp]:
    """All files, folders and symbolic links below `root`, by their relative path.

    Leaves out what disappears during the scan. Raises OSError if the root itself cannot be read.
    """
    found: dict[str, FileStamp] = {}
    _scan(os.fspath(root), "", skip, found, time.time_ns())
    return found


def _scan(folder: str, prefix: str, skip: Skip, found: dict[str, FileStamp], started: int) -> None:
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        if not prefix:
            raise
        return
    for entry in listed:
        path = prefix + entry.name
        try:
            status = entry.stat(follow_symlinks=False)
            is_folder = stat.S_ISDIR(status.st_mode)
            if skip(path, is_folder):
                continue
            link = os.readlink(entry.path) if stat.S_ISLNK(status.st_mode) else ""  # noqa: PTH115
        except OSError:
            continue
        if not (is_folder or link or stat.S_ISREG(status.st_mode)):
            continue
        found[path] = stamp_of(status, link, started)
        if is_folder:
            _scan(entry.path, f"{path}/", skip, found, started)


def stamps_of(files: Iterable[Path]) -> dict[str, FileStamp]:
    """The stamps of files, or of the targets of links, by absolute path; missing files are left out."""
    found = {}
    for path in files:
        with suppress(OSError):
            started = time.time_ns()
            found[os.fspath(path.absolute())] = stamp_of(path.stat(), "", started)
    return found


def stamp_of(status: os.stat_result, link: str, started: int) -> FileStamp:
    """The stamp of a file, in a scan that started at this time (nanoseconds)."""
    if stat.S_ISDIR(status.st_mode):
        # Changes in a folder change its times and size; they are found by its content instead.
        return FileStamp(status.st_mode, 0, 0, 0, 0, "")
    modified, changed, now = status.st_mtime_ns, status.st_ctime_ns, time.time_ns()
    # Another write within the same tick would not change the times.
    is_young = started - TICK < modified <= now or started - TICK < changed <= now
    return FileStamp(status.st_mode, status.st_size, modified, changed, status.st_ino, link, not is_young)


def difference(before: Snapshot, after: Snapshot) -> Difference:
    """What has to change to turn `before` into `after`."""
    changed = [path for path, now in after.items() if before.get(path) != now]
    deleted = [path for path in before if path not in after]
    return Difference(tuple(sorted(changed)), tuple(sorted(deleted)))


def stable_scan(scan_files: Callable[[], dict[str, FileStamp]]) -> dict[str, FileStamp]:
    """Scan again shortly after if a file was just written to, so that a later write changes its stamp.

    Gives up after half a second of constant writing: the stamp of that file is not stable then.
    """
    for _ in range(_STABLE_ATTEMPTS):
        found = scan_files()
        if all(stamp.is_stable for stamp in found.values()):
            break
        time.sleep(TICK / 1e9)
    return found

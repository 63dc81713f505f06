"""What lies in a folder at a moment, so that two moments can be compared."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TICK = 20_000_000
"""Nanoseconds: more than the steps in which a kernel counts a file's times (4 or 10 ms)."""

Skip = Callable[[str, bool], bool]
"""Whether a path, relative and with `/`, is left out; the second is whether it is a folder."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """By which a change of a file is noticed; `link` is where a symbolic link leads to."""

    mode: int
    """Type and permissions, as st_mode."""
    size: int
    modified: int
    """Nanoseconds, as st_mtime_ns."""
    changed: int
    """Nanoseconds, as st_ctime_ns: nobody can set it."""
    number: int
    link: str
    is_stable: bool = field(default=True, compare=False)
    """Whether a file that is written to once more after this look has another stamp then."""

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def identity(self) -> tuple[int, ...]:
        """As `context_walk.identity`."""
        return self.size, self.modified, self.number, self.changed

    def differs_in_times_alone(self, other: FileStamp) -> bool:
        """Whether both are of a file, and what tells them apart is when it was written, or its inode."""
        return self.is_file and (self.mode, self.size) == (other.mode, other.size)


Snapshot = Mapping[str, FileStamp]


@dataclass(frozen=True)
class Difference:
    """Paths that are new or other, and those that are gone, each sorted: folders before what is in them."""

    changed: tuple[str, ...]
    deleted: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.changed or self.deleted)


def scan(root: str | os.PathLike[str], skip: Skip) -> dict[str, FileStamp]:
    """All files, folders and symbolic links below `root`, by their relative path.

    What goes away while it is looked at is as if it had never been there. Raises OSError where the root
    itself cannot be read.
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
    """Those of some files, or of what links lead to, by their whole path; none of what is not there."""
    found = {}
    for path in files:
        with suppress(OSError):
            started = time.time_ns()
            found[os.fspath(path.absolute())] = stamp_of(path.stat(), "", started)
    return found


def stamp_of(status: os.stat_result, link: str, started: int) -> FileStamp:
    """By a look that began at this time."""
    if stat.S_ISDIR(status.st_mode):
        # What happens in a folder changes its times and its size; that is told by what lies in it.
        return FileStamp(status.st_mode, 0, 0, 0, 0, "")
    modified, changed, now = status.st_mtime_ns, status.st_ctime_ns, time.time_ns()
    # What was written to just now could be written again within the same tick, and look as before.
    is_young = started - TICK < modified <= now or started - TICK < changed <= now
    return FileStamp(status.st_mode, status.st_size, modified, changed, status.st_ino, link, not is_young)


def difference(before: Snapshot, after: Snapshot) -> Difference:
    """What has to be done to make `after` out of `before`."""
    changed = [path for path, now in after.items() if before.get(path) != now]
    deleted = [path for path in before if path not in after]
    return Difference(tuple(sorted(changed)), tuple(sorted(deleted)))

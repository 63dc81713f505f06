"""What lies in a folder at a moment, so that two moments can be compared."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Skip = Callable[[str, bool], bool]
"""Whether a path, relative and with `/`, is left out; the second is whether it is a folder."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """By which a change of a file is noticed; `link` is where a symbolic link leads to."""

    mode: int
    """Type and permissions, as st_mode."""
    size: int
    changed: int
    """Nanoseconds: the later of its modification and its change of state."""
    number: int
    link: str

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


Tree = Mapping[str, Stamp]


@dataclass(frozen=True)
class Difference:
    """Paths that are new or other, and those that are gone, each sorted: folders before what is in them."""

    changed: tuple[str, ...]
    deleted: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.changed or self.deleted)


def scan(root: str | os.PathLike[str], skip: Skip) -> dict[str, Stamp]:
    """All files, folders and symbolic links below `root`, by their relative path.

    What goes away while it is looked at is as if it had never been there. Raises OSError where the root
    itself cannot be read.
    """
    found: dict[str, Stamp] = {}
    _scan(os.fspath(root), "", skip, found)
    return found


def _scan(folder: str, prefix: str, skip: Skip, found: dict[str, Stamp]) -> None:
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
        found[path] = _stamp(status, link)
        if is_folder:
            _scan(entry.path, f"{path}/", skip, found)


def _stamp(status: os.stat_result, link: str) -> Stamp:
    if stat.S_ISDIR(status.st_mode):
        # What happens in a folder changes its times and its size; that is told by what lies in it.
        return Stamp(status.st_mode, 0, 0, 0, "")
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    return Stamp(status.st_mode, status.st_size, changed, status.st_ino, link)


def difference(before: Tree, after: Tree) -> Difference:
    """What has to be done to make `after` out of `before`."""
    changed = [path for path, now in after.items() if before.get(path) != now]
    deleted = [path for path in before if path not in after]
    return Difference(tuple(sorted(changed)), tuple(sorted(deleted)))

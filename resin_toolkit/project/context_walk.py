"""Walk through the entries of a folder that belong to a build context."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from resin_toolkit.errors import IoFailed, Notice, ResinError, from_os_error
from resin_toolkit.project.files_below import open_folder, was_exchanged
from resin_toolkit.project.ignore import IgnoreRules

NEVER_SENT = frozenset({".git", ".resin"})
"""Entries of the top folder that are never sent: the history, and the state of resin."""
UNREADABLE_HINT = "Make it readable, or add it to .dockerignore."


class FileType(StrEnum):
    """The type of an entry."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    HARD_LINK = "hard-link"


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """A file, folder or link. The path is relative, with slashes; bytes that are not UTF-8 are surrogates."""

    path: str
    kind: FileType
    mode: int
    """The permission bits."""
    size: int = 0
    mtime_ns: int = 0
    target: str = ""
    """The target of a symbolic link; of a hard link, the path of the same file sent earlier."""
    content: bytes | None = None
    """The content of a generated file; None for a file in the folder."""
    identity: tuple[int, ...] = ()
    """The `file_identity` of a file in the folder."""


@dataclass
class ContextWalk:
    """One walk through the folder `root`; what cannot be sent is added to `notices`."""

    root: str
    rules: IgnoreRules
    excluded: Collection[str] = ()
    """Paths that generated files replace."""
    notices: list[Notice] = field(default_factory=list)
    _first: dict[tuple[int, int], str] = field(default_factory=dict)

    def entries(self) -> Iterator[ContextEntry]:
        """Yield all entries to send, each folder before its content, sorted by the bytes of their names.

        Raises OSError if `root` itself cannot be read, and ResinError for an entry in it. An entry that is
        deleted meanwhile is skipped.
        """
        open_folders = [self._walk("", 0)]
        while open_folders:
            for entry, below in open_folders[-1]:
                if entry:
                    yield entry
                if below:
                    open_folders.append(below)
                    break
            else:
                open_folders.pop()

    def _walk(self, folder: str, state: int) -> Iterator[tuple[ContextEntry | None, _Walk | None]]:
        verdict, rules = self.rules.verdict, self.rules
        for item in self._sorted_items(folder):
            path = f"{folder}{item.name}"
            if path in self.excluded or (not folder and item.name in NEVER_SENT):
                continue
            ignored, inner = verdict(path, state)
            is_folder = not isinstance(item.found, OSError) and stat.S_ISDIR(item.found.st_mode)
            entry = None if ignored else self._entry(item, path)
            enters = is_folder and (entry is not None or (ignored and rules.can_include_below(path, inner)))
            yield entry, self._walk(f"{path}/", inner) if enters else None

    def _sorted_items(self, folder: str) -> list[_Item]:
        """What is in a folder, all read at once: it may be exchanged before the walk goes on."""
        try:
            descriptor = open_folder(self.root, folder)
            try:
                names = sorted(os.listdir(descriptor), key=os.fsencode)  # noqa: PTH208 - no path
                return [_item(name, descriptor) for name in names]
            finally:
                os.close(descriptor)
        except OSError as error:
            if not folder:
                raise
            if isinstance(error, FileNotFoundError):
                return []
            if was_exchanged(error):
                raise changed_error(folder) from error
            raise unreadable_error(error, folder) from error

    def _entry(self, item: _Item, path: str) -> ContextEntry | None:
        if isinstance(item.found, FileNotFoundError):
            return None
        if isinstance(item.found, OSError):
            raise unreadable_error(item.found, path) from item.found
        found, target = item.found, item.target
        mode = stat.S_IMODE(found.st_mode)
        if target:
            return ContextEntry(path, FileType.LINK, 0o777, 0, found.st_mtime_ns, target)
        if stat.S_ISDIR(found.st_mode):
            return ContextEntry(path, FileType.FOLDER, mode, 0, found.st_mtime_ns)
        if not stat.S_ISREG(found.st_mode):
            if not stat.S_ISSOCK(found.st_mode):
                text = f"{printable_path(path)} is not sent: it is a pipe or a device, not a file."
                self.notices.append(Notice("not-sent", text))
            return None
        if found.st_nlink > 1:
            first = self._first.setdefault((found.st_dev, found.st_ino), path)
            if first != path:
                return ContextEntry(
                    path, FileType.HARD_LINK, mode, 0, found.st_mtime_ns, first, None, file_identity(found)
                )
        return ContextEntry(
            path, FileType.FILE, mode, found.st_size, found.st_mtime_ns, "", None, file_identity(found)
        )


@dataclass(frozen=True, slots=True)
class _Item:
    """A name in a folder."""

    name: str
    found: os.stat_result | OSError
    """What it is, links not followed, or why that is not known."""
    target: str = ""
    """The target of a symbolic link."""


def _item(name: str, folder: int) -> _Item:
    """What `name` is in the folder with this descriptor."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        is_link = stat.S_ISLNK(found.st_mode)
        return _Item(name, found, os.readlink(name, dir_fd=folder) if is_link else "")
    except OSError as error:
        return _Item(name, error)


_Walk = Iterator[tuple[ContextEntry | None, "_Walk | None"]]


def file_identity(found: os.stat_result) -> tuple[int, ...]:
    """Return values that change when the content does; the change time of an inode cannot be set."""
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns


def unreadable_error(error: OSError, path: str) -> ResinError:
    """Return the error for an entry that cannot be read."""
    failure = from_os_error(error, printable_path(path))
    failure.hint = UNREADABLE_HINT
    return failure


def changed_error(path: str) -> ResinError:
    """Return the error for an entry that is not what it was when the walk reached it."""
    return IoFailed(
        f"{printable_path(path)} changed while it was being sent.",
        hint="Try again while nothing writes to it, or add it to .dockerignore.",
    )


def printable_path(path: str) -> str:
    """Return a path for a message, with unprintable characters escaped."""
    path = path.removesuffix("/")
    return path if path.isprintable() else ascii(path)[1:-1]

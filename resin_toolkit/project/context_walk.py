"""What a folder holds for a build: its entries in order, without those that the rules leave out."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from resin_toolkit.errors import Notice, ResinError, from_os_error
from resin_toolkit.project.ignore import IgnoreRules

NEVER_SENT = frozenset({".git", ".resin"})
"""At the top of the folder, whatever the rules say: history, and what resin itself keeps there."""
LEAVE_OUT = "Let this user read it, or leave it out by a line in .dockerignore."


class FileType(StrEnum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    HARD_LINK = "hard-link"


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """One file, folder or link. Paths are relative, with slashes; bytes that are not UTF-8 are surrogates."""

    path: str
    kind: FileType
    mode: int
    """The permissions alone."""
    size: int = 0
    mtime_ns: int = 0
    target: str = ""
    """Where a link leads, as it is written there; of a hard link, the path of the same file sent before."""
    content: bytes | None = None
    """Of a file that was made for the build; None is one that lies in the folder."""
    identity: tuple[int, ...] = ()
    """Changes when a file of the folder does, as far as that can be told without reading it."""


@dataclass
class ContextWalk:
    """One walk through the folder `root`; `notices` grows with what cannot be sent."""

    root: str
    rules: IgnoreRules
    without: Collection[str] = ()
    """Paths that something else is sent for."""
    notices: list[Notice] = field(default_factory=list)
    _first: dict[tuple[int, int], str] = field(default_factory=dict)

    def entries(self) -> Iterator[ContextEntry]:
        """Everything that is to be sent, each folder before what it holds, names in the order of their bytes.

        Raises OSError where `root` itself cannot be read, and ResinError for what is in it. What goes away
        between being listed and being looked at was never there.
        """
        open_folders = [self._inside("", 0)]
        while open_folders:
            for entry, below in open_folders[-1]:
                if entry:
                    yield entry
                if below:
                    open_folders.append(below)
                    break
            else:
                open_folders.pop()

    def _inside(self, folder: str, state: int) -> Iterator[tuple[ContextEntry | None, _Inside | None]]:
        verdict, rules = self.rules.verdict, self.rules
        for item in self._listed(folder):
            path = f"{folder}{item.name}"
            if path in self.without or (not folder and item.name in NEVER_SENT):
                continue
            ignored, inner = verdict(path, state)
            is_folder = item.is_dir(follow_symlinks=False)
            entry = None if ignored else self._entry(item, path)
            enters = is_folder and (entry is not None or (ignored and rules.can_include_below(path, inner)))
            yield entry, self._inside(f"{path}/", inner) if enters else None

    def _listed(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(f"{self.root}/{folder}") as listing:
                return sorted(listing, key=lambda item: os.fsencode(item.name))
        except OSError as error:
            if not folder:
                raise
            if isinstance(error, FileNotFoundError):
                return []
            raise unreadable_error(error, folder) from error

    def _entry(self, item: os.DirEntry[str], path: str) -> ContextEntry | None:
        try:
            found = item.stat(follow_symlinks=False)
            target = os.readlink(item.path) if item.is_symlink() else ""  # noqa: PTH115 - as it is written
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable_error(error, path) from error
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


_Inside = Iterator[tuple[ContextEntry | None, "_Inside | None"]]


def file_identity(found: os.stat_result) -> tuple[int, ...]:
    """What stays the same as long as the content does; nobody can set the time at which the inode changed."""
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns


def unreadable_error(error: OSError, path: str) -> ResinError:
    """The failure to read something of the folder, which can also be left out."""
    told = from_os_error(error, printable_path(path))
    told.hint = LEAVE_OUT
    return told


def printable_path(path: str) -> str:
    """A path for a message, in one line that every screen can show."""
    path = path.removesuffix("/")
    return path if path.isprintable() else ascii(path)[1:-1]

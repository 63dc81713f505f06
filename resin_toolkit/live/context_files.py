"""The files of a build context, kept up to date by changes instead of scans."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from resin_toolkit.live.mapping.actions import FileChange
from resin_toolkit.live.mapping.mapping_inputs import ContextListing
from resin_toolkit.project.context_walk import FileType
from resin_toolkit.project.glob_patterns import is_pattern, matches


class NeedsRebuild(Exception):
    """Only a rebuild is certain to give the right result; the message is the reason, as a clause."""

    @property
    def reason(self) -> str:
        """The reason."""
        return str(self.args[0])


class ContextFiles:
    """The files of a context after the changes that were noted."""

    def __init__(self, context: ContextListing) -> None:
        self._context = context
        self._kinds = dict(context.entries())
        self._before: dict[str, FileType | None] = {}
        self._matches: dict[str, list[str]] = {}
        """The paths that each pattern matches; many changes at once need them again."""

    def note(self, changes: Iterable[tuple[str, FileChange]]) -> None:
        """Apply changes that happened together."""
        self._before = {}
        self._matches.clear()
        for path, change in changes:
            self._before[path] = self._kinds.get(path)
            kind = self._context.kind(path) if change is FileChange.CHANGED else None
            if kind is None:
                self._kinds.pop(path, None)
            else:
                self._kinds[path] = kind

    def kind(self, path: str) -> FileType | None:
        """The kind of a file now, None if it does not exist; the context itself is a folder."""
        return self._kinds.get(path) if path else FileType.FOLDER

    def kind_before(self, path: str) -> FileType | None:
        """The kind of a file before the last changes."""
        return self._before.get(path, self._kinds.get(path))

    def is_archive(self, path: str) -> bool:
        return self._context.is_archive(path)

    def matching(self, source: str) -> list[str]:
        """The paths that match a source of COPY."""
        if not is_pattern(source):
            return [relative_source(source)]
        if source not in self._matches:
            pattern = without_root(source)
            self._matches[source] = [path for path in self._kinds if matches(pattern, path)]
        return self._matches[source]

    def symlink_in(self, path: str) -> str | None:
        """The first symbolic link in the path, if any."""
        return next((above for above in parents_and_self(path) if self.kind(above) is FileType.LINK), None)


def without_root(source: str) -> str:
    """A pattern without a leading `/` or `./`, as it is matched."""
    return source.removeprefix("/").removeprefix("./")


def relative_source(source: str) -> str:
    """The path of a source in the context; empty for the context itself."""
    return posixpath.normpath(f"/{source.lstrip('/')}").lstrip("/")


def parents_and_self(path: str) -> Iterator[str]:
    """The parent folders of a path, the outermost first, and the path itself."""
    for at, char in enumerate(path):
        if char == "/":
            yield path[:at]
    yield path


def is_at_or_below(path: str, folder: str) -> bool:
    return folder in ("", "/") or path == folder or path.startswith(f"{folder}/")


def path_below(folder: str, path: str) -> str:
    """Join a relative path, which may be empty, to a folder of the container."""
    return f"{folder.rstrip('/')}/{path}" if path else folder.rstrip("/") or "/"

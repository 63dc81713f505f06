"""The files of a context as they were last told of, so that no change needs a walk through all of them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from resin_toolkit.live.mapping.actions import FileChange
from resin_toolkit.live.mapping.mapping_inputs import ContextListing
from resin_toolkit.project.context_walk import Kind
from resin_toolkit.project.glob_patterns import is_pattern, matches


class NeedsRebuild(Exception):
    """Why only a rebuild is sure to be right."""

    @property
    def reason(self) -> str:
        return str(self.args[0])


class ContextFiles:
    """What lies in the context, by the changes that were noted."""

    def __init__(self, context: ContextListing) -> None:
        self._context = context
        self._kinds = dict(context.entries())
        self._before: dict[str, Kind | None] = {}
        self._matches: dict[str, list[str]] = {}
        """What each pattern matches; many changes at once ask for it again and again."""

    def note(self, changes: Iterable[tuple[str, FileChange]]) -> None:
        """Take in some changes that belong together."""
        self._before = {}
        self._matches.clear()
        for path, change in changes:
            self._before[path] = self._kinds.get(path)
            kind = self._context.kind(path) if change is FileChange.CHANGED else None
            if kind is None:
                self._kinds.pop(path, None)
            else:
                self._kinds[path] = kind

    def kind(self, path: str) -> Kind | None:
        """What lies there now; the context itself is a folder."""
        return self._kinds.get(path) if path else Kind.FOLDER

    def was(self, path: str) -> Kind | None:
        """What lay there before the changes that were noted last."""
        return self._before.get(path, self._kinds.get(path))

    def is_archive(self, path: str) -> bool:
        return self._context.is_archive(path)

    def matching(self, source: str) -> list[str]:
        """The paths that a source of COPY means."""
        if not is_pattern(source):
            return [relative_source(source)]
        if source not in self._matches:
            pattern = without_root(source)
            self._matches[source] = [path for path in self._kinds if matches(pattern, path)]
        return self._matches[source]

    def symlink_in(self, path: str) -> str | None:
        """The symbolic link that the path is, or leads through."""
        return next((above for above in path_and_parents(path) if self.kind(above) is Kind.LINK), None)


def without_root(source: str) -> str:
    """A pattern as it is compared: without a leading `/` or `./`."""
    return source.removeprefix("/").removeprefix("./")


def relative_source(source: str) -> str:
    """A source's path in the context; empty for the context itself."""
    return posixpath.normpath(f"/{source.lstrip('/')}").lstrip("/")


def path_and_parents(path: str) -> Iterator[str]:
    """The folders that lead to a path, the outermost first, and the path itself."""
    for at, char in enumerate(path):
        if char == "/":
            yield path[:at]
    yield path


def is_at_or_below(path: str, folder: str) -> bool:
    return folder in ("", "/") or path == folder or path.startswith(f"{folder}/")


def path_below(folder: str, path: str) -> str:
    """The path in a folder of the container."""
    return f"{folder.rstrip('/')}/{path}" if path else folder.rstrip("/") or "/"

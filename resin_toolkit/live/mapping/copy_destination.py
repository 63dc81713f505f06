"""The paths in the container to which one COPY or ADD copies a file.

Source: https://docs.docker.com/reference/dockerfile/#copy, and the behaviour of the classic builder of 20.10
where that page is silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resin_toolkit.live.context_files import (
    ContextFiles,
    NeedsRebuild,
    is_at_or_below,
    parents_and_self,
    path_below,
    relative_source,
    without_root,
)
from resin_toolkit.live.mapping.actions import FileChange
from resin_toolkit.live.mapping.stage_operations import Copy
from resin_toolkit.project.context_walk import FileType
from resin_toolkit.project.glob_patterns import is_pattern, matches

MAYBE = "maybe"
"""A file may be copied there; it cannot be known."""


@dataclass(frozen=True)
class ChangedFile:
    """A changed file: its path in the context, and its kind, or its former kind if it was deleted."""

    path: str
    kind: FileType
    change: FileChange


@dataclass(frozen=True)
class CopyDestination:
    """A COPY or ADD in its stage."""

    copy: Copy
    files: ContextFiles
    into_folder: bool | None
    """Whether its destination is a folder at that point; None if it is unknown."""

    def targets_of(self, file: ChangedFile) -> set[str]:
        """The targets of a file of the context. Raises NeedsRebuild."""
        found: set[str] = set()
        for number, source in enumerate(self.copy.sources):
            root = _root(source, file.path)
            if root is None:
                continue
            place = self._place(source, root, file.path, file)
            if place and not self._is_covered(number, root, place, file):
                found.add(place)
        return found

    def targets_from(self, place: str, file: ChangedFile) -> set[str]:
        """The targets of a file at `place` in the source stage. Raises NeedsRebuild."""
        found: set[str] = set()
        for source in self.copy.sources:
            root = _root(source, place.lstrip("/"))
            if root is None:
                continue
            if is_pattern(source) or len(self.copy.sources) > 1:
                # The other files of that stage are unknown, and may have the same target.
                raise NeedsRebuild(f"the other files that {self.copy.instruction} copies are unknown")
            copied = self._place(source, root, place.lstrip("/"), file)
            if copied:
                found.add(copied)
        return found

    def check_links(self) -> None:
        """Raise NeedsRebuild if a source contains a symbolic link: the copied files are elsewhere."""
        for source in self.copy.sources:
            for path in self.files.matching(source):
                link = self.files.symlink_in(path)
                if link is not None:
                    raise NeedsRebuild(f"{self.copy.instruction} follows the symbolic link {link}")

    def provides(self, place: str) -> FileType | str | None:
        """The kind of file it copies to a path in the container, None for none, or MAYBE."""
        target = self.copy.destination.rstrip("/") or "/"
        if place != target and is_at_or_below(target, place):
            return FileType.FOLDER
        if not is_at_or_below(place, target):
            return None
        if self.copy.stage is not None or self.copy.is_foreign or self.copy.has_remote:
            return FileType.FOLDER if place == target and self.into_folder else MAYBE
        roots = [root for source in self.copy.sources for root in self.files.matching(source)]
        found = [self._provided(root, place, target) for root in roots]
        return next((one for one in reversed(found) if one), None)

    def _provided(self, root: str, place: str, target: str) -> FileType | str | None:
        kind = self.files.kind(root)
        if kind is FileType.FOLDER:
            if place == target:
                return FileType.FOLDER
            inner = place[len(target) :].lstrip("/")
            return self.files.kind(f"{root}/{inner}" if root else inner)
        if kind is None:
            return None
        if kind is FileType.LINK or (self.copy.unpacks and self.files.is_archive(root)):
            return MAYBE
        inside = path_below(target, root.rpartition("/")[2])
        if self.into_folder is None:
            return MAYBE if place in (target, inside) else None
        if self.into_folder and place == target:
            return FileType.FOLDER
        return kind if place == (inside if self.into_folder else target) else None

    def _place(self, source: str, root: str, path: str, file: ChangedFile) -> str | None:
        """The target of `path`; `root` is the path or the folder above it that matches a source."""
        self._check_count(source, root)
        if root != path:
            return path_below(self.copy.destination, path[len(root) :].lstrip("/"))
        named = f"{self.copy.instruction} copies it by name"
        if file.change is FileChange.DELETED and (
            file.kind is FileType.FOLDER or not self._has_others(source)
        ):
            raise NeedsRebuild(f"{named}, and it was deleted")
        if file.kind is FileType.FOLDER:
            return None
        if file.kind is FileType.LINK:
            raise NeedsRebuild(f"{named}, and it is a symbolic link")
        if self.copy.unpacks and self.files.is_archive(file.path):
            raise NeedsRebuild(f"{self.copy.instruction} unpacks it")
        if self.into_folder is None:
            raise NeedsRebuild(
                f"it is unknown whether {self.copy.destination} is a folder at {self.copy.instruction}"
            )
        return path_below(self.copy.destination, path.rpartition("/")[2] if self.into_folder else "")

    def _check_count(self, source: str, root: str) -> None:
        """Raise NeedsRebuild if several files are copied to a destination that does not end in `/`."""
        copy = self.copy
        if copy.destination.endswith("/") or copy.destination == "/" or copy.stage is not None:
            return
        if len(copy.sources) > 1 or {*self.files.matching(source), root} != {root}:
            raise NeedsRebuild(
                f"{copy.instruction} copies several files to a destination that does not end in /"
            )

    def _has_others(self, source: str) -> bool:
        """Whether the source still matches without the file, as a pattern may."""
        return is_pattern(source) and self.copy.stage is None and bool(self.files.matching(source))

    def _is_covered(self, number: int, root: str, place: str, file: ChangedFile) -> bool:
        """Whether the same COPY later copies another file to the same target. Raises NeedsRebuild."""
        target = self.copy.destination.rstrip("/") or "/"
        if self.copy.has_remote and (place.rpartition("/")[0] or "/") == target:
            raise NeedsRebuild(f"{self.copy.instruction} may copy another file to {place}")
        for other, path in self._roots():
            if path == root:
                continue
            provided = self._provided(path, place, target)
            above = [self._provided(path, one, target) for one in parents_and_self(place)]
            if any(one not in (None, FileType.FOLDER) for one in above[:-1]):
                raise NeedsRebuild(f"{self.copy.instruction} copies a file to a parent folder of {place}")
            if provided is None or (provided is FileType.FOLDER and file.kind is FileType.FOLDER):
                continue
            if provided == MAYBE or file.change is FileChange.DELETED:
                raise NeedsRebuild(f"{self.copy.instruction} copies another file to {place}")
            if (other, path.split("/")) > (number, root.split("/")):
                return True
        return False

    def _roots(self) -> Iterator[tuple[int, str]]:
        for number, source in enumerate(self.copy.sources):
            for path in self.files.matching(source):
                yield number, path


def _root(source: str, path: str) -> str | None:
    """The path, or the folder above it, that matches a source; None if neither does."""
    if is_pattern(source):
        pattern = without_root(source)
        return next((above for above in parents_and_self(path) if matches(pattern, above)), None)
    root = relative_source(source)
    return root if is_at_or_below(path, root) else None

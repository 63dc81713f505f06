"""The size of a build context, and its largest folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from resin_toolkit.project.context_walk import ContextEntry, FileType, printable_path
from resin_toolkit.terminal.screen import format_size

MAX_FOLDERS = 3
"""The number of folders that are named."""
MIN_SHARE = 0.1
"""A folder is named if it has at least this share of the total size."""
DESCEND_SHARE = 0.9
"""A subfolder with at least this share of its parent is named instead of the parent."""
GENERATED = frozenset(
    {"node_modules", ".venv", "venv", "target", "build", "dist", "__pycache__", ".tox", ".cache"}
)
"""Folders that tools generate, best ignored as a whole: their subfolders are never named."""


@dataclass(frozen=True)
class ContextSize:
    """The content in bytes, the number of files, and the largest folders with their size in bytes."""

    bytes: int
    files: int
    largest: tuple[tuple[str, int], ...] = ()

    def advice(self) -> str:
        """Return "node_modules 180 MiB, .venv 90.0 MiB: add them to .dockerignore", or an empty string."""
        if not self.largest:
            return ""
        named = ", ".join(f"{printable_path(path)} {format_size(size)}" for path, size in self.largest)
        return f"{named}: add {'them' if len(self.largest) > 1 else 'it'} to .dockerignore"


def measure_context(entries: Iterable[ContextEntry]) -> ContextSize:
    """Add up the entries of a context."""
    folders: dict[str, int] = defaultdict(int)
    size = files = 0
    for entry in entries:
        if entry.kind is FileType.FOLDER:
            continue
        files += 1
        size += entry.size
        folder = entry.path.rpartition("/")[0]
        if entry.size and folder:
            folders[folder] += entry.size
    return ContextSize(size, files, _largest(_with_subfolders(folders), size))


def _with_subfolders(own: Mapping[str, int]) -> dict[str, int]:
    """The size of each folder including its subfolders."""
    sums: dict[str, int] = defaultdict(int)
    for folder, size in own.items():
        while folder:
            sums[folder] += size
            folder = folder.rpartition("/")[0]
    return sums


def _largest(sums: Mapping[str, int], total: int) -> tuple[tuple[str, int], ...]:
    subfolders: dict[str, list[str]] = defaultdict(list)
    for folder in sums:
        subfolders[folder.rpartition("/")[0]].append(folder)
    named = []
    for top in subfolders[""]:
        folder = top
        while folder.rpartition("/")[2] not in GENERATED and subfolders[folder]:
            largest = max(subfolders[folder], key=sums.__getitem__)
            if sums[largest] < DESCEND_SHARE * sums[folder]:
                break
            folder = largest
        named.append((folder, sums[folder]))
    named.sort(key=lambda one: (-one[1], one[0]))
    return tuple(one for one in named[:MAX_FOLDERS] if one[1] >= MIN_SHARE * total)

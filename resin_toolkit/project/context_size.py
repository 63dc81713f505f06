"""What makes a build context large."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from resin_toolkit.project.context_walk import ContextEntry, FileType, printable_path
from resin_toolkit.terminal.screen import format_size

MOST = 3
"""So many folders are named."""
SHARE = 0.1
"""A folder is named if it makes this share of the whole, or more."""
DEEPER = 0.9
"""A folder that holds this share of the one around it is named instead."""
USUAL = frozenset(
    {"node_modules", ".venv", "venv", "target", "build", "dist", "__pycache__", ".tox", ".cache"}
)
"""What tools make, and is best left out whole: what lies within is never named."""


@dataclass(frozen=True)
class ContextSize:
    """Bytes of content, the number of files, and the largest folders with their bytes."""

    bytes: int
    files: int
    largest: tuple[tuple[str, int], ...] = ()

    def advice(self) -> str:
        """What to leave out: "node_modules 180 MiB, .venv 90.0 MiB: add them to .dockerignore"; or empty."""
        if not self.largest:
            return ""
        named = ", ".join(f"{printable_path(path)} {format_size(size)}" for path, size in self.largest)
        return f"{named}: add {'them' if len(self.largest) > 1 else 'it'} to .dockerignore"


def measure_context(entries: Iterable[ContextEntry]) -> ContextSize:
    """The sum of the entries."""
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
    return ContextSize(size, files, _largest(_with_inner(folders), size))


def _with_inner(own: Mapping[str, int]) -> dict[str, int]:
    """Of each folder, the bytes of all that lies below it."""
    sums: dict[str, int] = defaultdict(int)
    for folder, size in own.items():
        while folder:
            sums[folder] += size
            folder = folder.rpartition("/")[0]
    return sums


def _largest(sums: Mapping[str, int], whole: int) -> tuple[tuple[str, int], ...]:
    inner: dict[str, list[str]] = defaultdict(list)
    for folder in sums:
        inner[folder.rpartition("/")[0]].append(folder)
    named = []
    for top in inner[""]:
        folder = top
        while folder.rpartition("/")[2] not in USUAL and inner[folder]:
            heaviest = max(inner[folder], key=sums.__getitem__)
            if sums[heaviest] < DEEPER * sums[folder]:
                break
            folder = heaviest
        named.append((folder, sums[folder]))
    named.sort(key=lambda one: (-one[1], one[0]))
    return tuple(one for one in named[:MOST] if one[1] >= SHARE * whole)

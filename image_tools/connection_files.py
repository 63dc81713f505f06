"""The files in `system-connections`, where NetworkManager's profiles are."""

from __future__ import annotations

from image_tools.fat import DirectoryEntry, FatFileSystem
from resin_toolkit.errors import ConfigInvalid

CONNECTIONS = "/system-connections"
_MAX_FILES = 1000
LARGEST_PROFILE = 1 << 20
"""In bytes; what is larger is no profile, and is not read."""
_MAX_TOTAL = 16 * 1024 * 1024
"""Bytes of all files; a profile has some hundred."""


def connection_files(filesystem: FatFileSystem) -> list[DirectoryEntry]:
    """The files in the directory, which may not exist. Raises ConfigInvalid for far too many, or too much."""
    directory = filesystem.find(CONNECTIONS)
    if directory is None or not directory.is_directory:
        return []
    files = [entry for entry in filesystem.list(CONNECTIONS) if not entry.is_directory]
    total = sum(entry.size for entry in files if entry.size <= LARGEST_PROFILE)
    if len(files) > _MAX_FILES or total > _MAX_TOTAL:
        raise ConfigInvalid(
            f"{CONNECTIONS} has too many files for network profiles: {len(files)}, of {total} bytes.",
            hint=f"Remove those that are not profiles with `resin image rm IMAGE {CONNECTIONS}/NAME`.",
        )
    return files

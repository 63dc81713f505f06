"""Reading the files of a project, which anybody may have written: only regular files, of a bounded size."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from resin_toolkit.errors import BadValue

MOST_BYTES = 1 << 20
"""The size of a Dockerfile, a compose file, a file of variables, or a list of ignored files."""
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)
_DELETED = " (deleted)"


ReadFile: TypeAlias = Callable[[Path, str], bytes]
"""Reads a file of a project; the second argument says what it is for."""


def read_bounded(path: Path, use: str = "") -> bytes:  # noqa: ARG001 - a ReadFile
    """The content of a file. Raises BadValue if it is not a regular file or too large, and OSError."""
    return read_with_path(path)[0]


def read_with_path(path: Path) -> tuple[bytes, str]:
    """The content of a file, and the real path of the file that was read. Raises as `read_bounded`."""
    # Opening some device files already does something: look first.
    _check_regular(path, path.stat())
    descriptor = os.open(path, _OPEN)
    try:
        _check_regular(path, os.fstat(descriptor))
        content = bytearray()
        while len(content) <= MOST_BYTES and (piece := os.read(descriptor, MOST_BYTES + 1 - len(content))):
            content += piece
        if len(content) > MOST_BYTES:
            raise BadValue(f"{path} is larger than 1 MiB.", hint="Check that it is the right file.")
        return bytes(content), opened_path(descriptor, path)
    finally:
        os.close(descriptor)


def opened_path(descriptor: int, path: str | os.PathLike[str]) -> str:
    """The real path of an open file, which was opened as `path`: links may have changed since.

    Raises OSError if it cannot be determined.
    """
    try:
        found = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - as text
    except OSError:
        return _path_elsewhere(descriptor, path)
    if found.endswith(_DELETED) and not os.fstat(descriptor).st_nlink:
        return found.removesuffix(_DELETED)
    return found


def _path_elsewhere(descriptor: int, path: str | os.PathLike[str]) -> str:
    """The real path where there is no /proc: on macOS the system tells, elsewhere the path is compared."""
    import fcntl

    get_path = getattr(fcntl, "F_GETPATH", None)
    if get_path is not None:
        return os.fsdecode(fcntl.fcntl(descriptor, get_path, bytes(1024)).rstrip(b"\0"))
    found = os.path.realpath(path)
    if not os.path.samestat(os.stat(found), os.fstat(descriptor)):  # noqa: PTH116 - as text
        raise FileNotFoundError(2, "it changed while it was opened", os.fspath(path))
    return found


def is_within(path: str, folder: str) -> bool:
    """Whether a real path is that of a folder, or of something in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _check_regular(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise BadValue(f"{path} is a directory, not a file.", hint="Pass the path of a file.")
    if not stat.S_ISREG(found.st_mode):
        raise BadValue(f"{path} is a pipe or a device, not a file.", hint="Replace it by a file.")

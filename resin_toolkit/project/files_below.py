"""Opening what lies below a folder without following a symbolic link, whatever is exchanged meanwhile.

O_NOFOLLOW refuses a link only as the last part of a path. So each folder on the way is opened by itself, in
the one above it.
"""

from __future__ import annotations

import errno
import os
from types import TracebackType
from typing import Self

from resin_toolkit.project.bounded_file import opened_path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def open_folder(root: str, path: str) -> int:
    """A descriptor of the folder `path`, relative to `root`, which it is if empty. Raises OSError.

    `root` is a real path.
    """
    descriptor = os.open(root, _FOLDER)
    try:
        if opened_path(descriptor, root) != root:
            # A folder above it was exchanged.
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), root)
    except OSError:
        os.close(descriptor)
        raise
    for name in filter(None, path.split("/")):
        above = descriptor
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=above)
        finally:
            os.close(above)
    return descriptor


def was_exchanged(error: OSError) -> bool:
    """Whether opening failed because a link, or something else, is where a folder or file was."""
    return error.errno in (errno.ELOOP, errno.ENOTDIR)


class FilesBelow:
    """Opens files below a folder; keeps the folder of the last one open, until `close`."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folder: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self, path: str) -> int:
        """A descriptor for reading the file `path`, relative to the folder. Raises OSError."""
        folder, _, name = path.rpartition("/")
        if self._folder is None or self._folder[0] != folder:
            self.close()
            self._folder = folder, open_folder(self._root, folder)
        # Non-blocking, in case a pipe has replaced the file.
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._folder[1])

    def close(self) -> None:
        """Close the folder that is open."""
        if self._folder is not None:
            _, descriptor = self._folder
            self._folder = None
            os.close(descriptor)

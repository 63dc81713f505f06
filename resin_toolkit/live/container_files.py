"""Uploading files into a running container, and deleting files in it.

Uploads are one archive (ustar with pax headers, POSIX.1-2001, "pax Interchange Format"); files are deleted
with the container's own `rm`.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.engine.containers import Containers
from resin_toolkit.errors import EngineFailed, ServiceNotFound
from resin_toolkit.project.bounded_file import is_within, opened_path
from resin_toolkit.project.context_walk import unreadable_error

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 256 * 1024
_DELETIONS = 500
"""Paths that one command deletes."""
_CHANGED = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO)
_NOT_FOUND = (126, 127)
"""Exit codes for a command that does not exist or cannot run (POSIX, 2.8.2)."""


class CannotDelete(Exception):
    """The container has no `rm`, or is not running."""


class ChangedWhileReading(Exception):
    """A file disappeared, or was replaced, while it was read."""


@dataclass(frozen=True)
class FileUpload:
    """A file, folder or symbolic link of the workstation, and its path in the container."""

    source: Path
    target: str
    """Absolute."""
    owner: tuple[int, int] = (0, 0)
    """User and group."""
    mode: int | None = None
    """Permission bits; None for those of the source."""
    folders: tuple[str, ...] = ()
    """The real paths of the folders that it may be in, whatever links there are by now; any if empty."""

    def check_place(self, real: str) -> None:
        """Raise ChangedWhileReading if the real path is not in one of the folders."""
        if self.folders and not any(is_within(real, folder) for folder in self.folders):
            raise ChangedWhileReading(self.target)


def send_files(engine: Engine, container: str, uploads: Sequence[FileUpload]) -> None:
    """Upload files as one archive. Raises ChangedWhileReading, EngineFailed, Unreachable."""
    if uploads:
        Containers(engine).put_archive(container, "/", make_archive(uploads))


def delete_files(engine: Engine, container: str, targets: Sequence[str]) -> None:
    """Delete files and folders in a running container. Raises CannotDelete, EngineFailed, Unreachable."""
    for start in range(0, len(targets), _DELETIONS):
        part = targets[start : start + _DELETIONS]
        try:
            with engine.exec(container, ["rm", "-rf", "--", *part], user="0") as session:
                while session.read():
                    pass
                code = session.exit_code()
        except (EngineFailed, ServiceNotFound) as error:
            raise CannotDelete(error.message) from error
        if code in _NOT_FOUND:
            raise CannotDelete("the container has no rm")
        if code:
            raise CannotDelete(f"rm exited with code {code}")


def make_archive(uploads: Sequence[FileUpload]) -> Iterator[bytes]:
    """The archive in chunks; the engine creates missing parent folders of a target.

    Raises ChangedWhileReading, and ResinError for a file that cannot be read.
    """
    for upload in uploads:
        try:
            yield from _member(upload)
        except OSError as error:
            if error.errno in _CHANGED:
                raise ChangedWhileReading(upload.target) from error
            raise unreadable_error(error, str(upload.source)) from error
    yield bytes(2 * _BLOCK)


def _member(upload: FileUpload) -> Iterator[bytes]:
    upload.check_place(os.path.join(os.path.realpath(upload.source.parent), upload.source.name))  # noqa: PTH118
    status = upload.source.lstat()
    entry = tarfile.TarInfo(upload.target.lstrip("/"))
    entry.mode = stat.S_IMODE(status.st_mode) if upload.mode is None else upload.mode
    entry.mtime = int(status.st_mtime)
    entry.uid, entry.gid = upload.owner
    if stat.S_ISDIR(status.st_mode):
        entry.type = tarfile.DIRTYPE
        entry.name += "/"
    elif stat.S_ISLNK(status.st_mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(upload.source)  # noqa: PTH115 - as text
    else:
        yield from _file(upload, entry)
        return
    yield _header(entry)


def _file(upload: FileUpload, entry: tarfile.TarInfo) -> Iterator[bytes]:
    """A regular file. One that shrinks meanwhile is padded, and sent again once its change is noticed."""
    # It may just have been replaced by a link, or by a pipe that nobody writes to.
    descriptor = os.open(upload.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        upload.check_place(opened_path(descriptor, upload.source))
        entry.size = left = os.fstat(file.fileno()).st_size
        yield _header(entry)
        while left:
            data = file.read(min(_CHUNK, left)) or bytes(min(_CHUNK, left))
            left -= len(data)
            yield data
    yield bytes(-entry.size % _BLOCK)


def _header(entry: tarfile.TarInfo) -> bytes:
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")

"""A build context as a tar archive (POSIX.1-2001, "pax"), made while it is sent."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator

from resin_toolkit.errors import IoFailed
from resin_toolkit.project.context_walk import ContextEntry, FileType, printable_path, unreadable_error

BLOCK = 512
END = bytes(2 * BLOCK)
AT_ONCE = 1024 * 1024
"""Up to this size a file is read before its header is made: both are right even if it changes meanwhile."""
_TYPES = {
    FileType.FILE: tarfile.REGTYPE,
    FileType.FOLDER: tarfile.DIRTYPE,
    FileType.LINK: tarfile.SYMTYPE,
    FileType.HARD_LINK: tarfile.LNKTYPE,
}
_CAPABILITY = "security.capability"


def tar_member(root: str, entry: ContextEntry, chunk: int) -> Iterator[bytes]:
    """The header of an entry, its content, zeros up to a whole block; nothing, if it is gone."""
    if entry.content is not None:
        yield header(entry, len(entry.content)) + entry.content + bytes(-len(entry.content) % BLOCK)
    elif entry.kind is FileType.FILE:
        yield from _file(root, entry, chunk)
    else:
        yield header(entry, 0)


def header(entry: ContextEntry, size: int, capability: bytes = b"") -> bytes:
    """The header alone. As Docker does, everything belongs to root, and times are whole seconds."""
    info = tarfile.TarInfo(entry.path)
    info.type = _TYPES[entry.kind]
    info.size = size
    info.mode = entry.mode
    info.mtime = entry.mtime_ns // 1_000_000_000
    info.linkname = entry.target
    if capability:
        info.pax_headers = {f"SCHILY.xattr.{_CAPABILITY}": capability.decode("utf-8", "surrogateescape")}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _file(root: str, entry: ContextEntry, chunk: int) -> Iterator[bytes]:
    try:
        # Without waiting for the other end of a pipe, if one has taken the place of the file.
        descriptor = os.open(f"{root}/{entry.path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable_error(error, entry.path) from error
    try:
        yield from _content(descriptor, entry, chunk)
    except OSError as error:
        raise unreadable_error(error, entry.path) from error
    finally:
        os.close(descriptor)


def _content(descriptor: int, entry: ContextEntry, chunk: int) -> Iterator[bytes]:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise _changed(entry)
    capability = _capability(descriptor)
    if found.st_size <= AT_ONCE:
        content = _read_all(descriptor, found.st_size + 1)
        if len(content) <= AT_ONCE:
            yield header(entry, len(content), capability) + content + bytes(-len(content) % BLOCK)
            return
        raise _changed(entry)
    yield header(entry, found.st_size, capability)
    left = found.st_size
    while left:
        piece = os.read(descriptor, min(chunk, left))
        if not piece:
            raise _changed(entry)
        left -= len(piece)
        yield piece
    # Its end is held back until it is known to be one file, not the beginning of one and the end of another.
    after = os.fstat(descriptor)
    if (after.st_size, after.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
        raise _changed(entry)
    yield bytes(-found.st_size % BLOCK)


def _read_all(descriptor: int, size: int) -> bytes:
    """The content of a file of about `size` bytes; of one that keeps growing, just above AT_ONCE."""
    content = os.read(descriptor, size)
    while len(content) <= AT_ONCE and (more := os.read(descriptor, size)):
        content += more
    return content


def _capability(descriptor: int) -> bytes:
    """What Linux lets the program do that is in the file; the only extended attribute that Docker sends."""
    if not hasattr(os, "getxattr"):  # a system without
        return b""
    try:
        return os.getxattr(descriptor, _CAPABILITY)
    except OSError:  # it has none, or its file system knows of none
        return b""


def _changed(entry: ContextEntry) -> IoFailed:
    return IoFailed(
        f"{printable_path(entry.path)} changed while it was being sent.",
        hint="Try again when nothing writes to it, or leave it out by a line in .dockerignore.",
    )

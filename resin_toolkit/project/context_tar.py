"""A build context as a tar archive (POSIX.1-2001, "pax"), generated while it is sent."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator

from resin_toolkit.project.context_walk import ContextEntry, FileType, changed_error, unreadable_error
from resin_toolkit.project.files_below import FilesBelow, was_exchanged

BLOCK = 512
END = bytes(2 * BLOCK)
MAX_BUFFERED = 1024 * 1024
"""Files up to this size are read before their header is written, so both agree even if the file changes."""
_TYPES = {
    FileType.FILE: tarfile.REGTYPE,
    FileType.FOLDER: tarfile.DIRTYPE,
    FileType.LINK: tarfile.SYMTYPE,
    FileType.HARD_LINK: tarfile.LNKTYPE,
}
_CAPABILITY = "security.capability"


def tar_member(files: FilesBelow, entry: ContextEntry, chunk: int) -> Iterator[bytes]:
    """Yield the header, content and padding of an entry; nothing if the file no longer exists."""
    if entry.content is not None:
        yield header(entry, len(entry.content)) + entry.content + bytes(-len(entry.content) % BLOCK)
    elif entry.kind is FileType.FILE:
        yield from _file(files, entry, chunk)
    else:
        yield header(entry, 0)


def header(entry: ContextEntry, size: int, capability: bytes = b"") -> bytes:
    """Return the header of an entry. Like with Docker, root owns everything, and times are whole seconds."""
    info = tarfile.TarInfo(entry.path)
    info.type = _TYPES[entry.kind]
    info.size = size
    info.mode = entry.mode
    info.mtime = entry.mtime_ns // 1_000_000_000
    info.linkname = entry.target
    if capability:
        info.pax_headers = {f"SCHILY.xattr.{_CAPABILITY}": capability.decode("utf-8", "surrogateescape")}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _file(files: FilesBelow, entry: ContextEntry, chunk: int) -> Iterator[bytes]:
    try:
        descriptor = files.open(entry.path)
    except FileNotFoundError:
        return
    except OSError as error:
        if was_exchanged(error):
            raise changed_error(entry.path) from error
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
        raise changed_error(entry.path)
    capability = _capability(descriptor)
    if found.st_size <= MAX_BUFFERED:
        content = _read_all(descriptor, found.st_size + 1)
        if len(content) <= MAX_BUFFERED:
            yield header(entry, len(content), capability) + content + bytes(-len(content) % BLOCK)
            return
        raise changed_error(entry.path)
    yield header(entry, found.st_size, capability)
    left = found.st_size
    while left:
        piece = os.read(descriptor, min(chunk, left))
        if not piece:
            raise changed_error(entry.path)
        left -= len(piece)
        yield piece
    # The end is sent only if the file did not change, so that no mixture of two versions is accepted.
    after = os.fstat(descriptor)
    if (after.st_size, after.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
        raise changed_error(entry.path)
    yield bytes(-found.st_size % BLOCK)


def _read_all(descriptor: int, size: int) -> bytes:
    """The content of a file of about `size` bytes; at most a little more than MAX_BUFFERED."""
    content = os.read(descriptor, size)
    while len(content) <= MAX_BUFFERED and (more := os.read(descriptor, size)):
        content += more
    return content


def _capability(descriptor: int) -> bytes:
    """The Linux capabilities of a program, the only extended attribute that Docker sends."""
    if not hasattr(os, "getxattr"):  # not on this platform
        return b""
    try:
        return os.getxattr(descriptor, _CAPABILITY)
    except OSError:  # not set, or not supported by the file system
        return b""

"""Files that hold an image or a part of one: who can read them, and where they are created.

An image that holds a secret can be read by its owner only. Links that another user may have prepared in a
shared folder are not followed, as with the sysctl fs.protected_symlinks of Linux. Under sudo, new files
belong to the user who called it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from resin_toolkit.errors import Notice, Refused, ResinError, from_os_error
from resin_toolkit.sudo_caller import sudo_caller

OWNER_ONLY = 0o600
_MAX_LINKS = 40
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def resolve_output(path: Path) -> Path:
    """The path to write to, with all links resolved; it may not exist.

    Raises Refused for a link that another user owns in a folder that everybody may write to.
    """
    for _ in range(_MAX_LINKS):
        link = _first_link(path.absolute())
        if link is None:
            return path.resolve()
        _check_link(link)
        target = link.parent / os.readlink(link)  # noqa: PTH115 - may be relative
        path = target / path.absolute().relative_to(link)
    raise from_os_error(OSError(errno.ELOOP, os.strerror(errno.ELOOP)), path)


def create_file(path: Path, mode: int = OWNER_ONLY) -> int:
    """Create a file that does not exist, and return a descriptor to write and read it.

    Raises FileExistsError also for a link.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | _NO_LINK, mode)
    _give_to_caller(descriptor)
    return descriptor


def _give_to_caller(descriptor: int) -> None:
    """Under sudo, change the owner of an open new file or folder to the user who called it."""
    caller = sudo_caller()
    if caller is not None:
        os.fchown(descriptor, *caller)


def make_folders(folder: Path) -> None:
    """Create a folder and those above it, like `mkdir -p`; under sudo they belong to the calling user."""
    missing: list[Path] = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        descriptor = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | _NO_LINK)
        try:
            _give_to_caller(descriptor)
        finally:
            os.close(descriptor)


def keep_private(file: BinaryIO, name: str) -> Notice | None:
    """If an open image file holds a secret, let only its owner read it; the notice says so.

    None if nothing had to change. A drive has no permissions of its own.
    """
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or not status.st_mode & 0o077 or not _holds_secret(file):
        return None
    # Somebody else may own the file, and not every file system has permissions.
    with contextlib.suppress(OSError):
        os.fchmod(file.fileno(), status.st_mode & OWNER_ONLY)
    if os.fstat(file.fileno()).st_mode & 0o077:
        return Notice("secret-readable", f"{name} holds a secret, and other users can read the file.")
    return Notice("made-private", f"{name} holds a secret: only its owner can read it now (mode 0600).")


def set_mode(file: BinaryIO, wanted: int) -> None:
    """Give a new image file the permissions `wanted`, or only the owner's if it holds a secret."""
    private = bool(wanted & 0o077) and _holds_secret(file)
    os.fchmod(file.fileno(), wanted & OWNER_ONLY if private else wanted)


def _holds_secret(file: BinaryIO) -> bool:
    """Whether a FAT partition of an image holds a passphrase, password, key or token of a device."""
    from image_tools.boot_partition import fat_filesystems
    from image_tools.boot_secrets import has_secret

    try:
        return any(has_secret(filesystem) for filesystem in fat_filesystems(file))
    except ResinError:
        # Its partition table is unreadable. No device could read a configuration in it.
        return False


def _first_link(path: Path) -> Path | None:
    """The first component of an absolute path that is a link."""
    for part in [*reversed(path.parents), path]:
        if part.is_symlink():
            return part
    return None


def _check_link(link: Path) -> None:
    """The rule of fs.protected_symlinks (Linux, Documentation/admin-guide/sysctl/fs.rst)."""
    own, folder = link.lstat(), link.parent.stat()
    is_shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if is_shared and own.st_uid not in (os.geteuid(), folder.st_uid):
        raise Refused(
            f"{link} is a link of another user in a folder that everybody may write to.",
            hint="Remove the link, or write to another folder.",
            path=str(link),
        )

"""Small JSON files in the user's state directory, readable only by the user.

Source: the XDG Base Directory Specification ($XDG_STATE_HOME, by default ~/.local/state).

Nothing is stored in a directory in which another user could exchange it, and what protects the user is not
read from there, as sshd does with StrictModes. What lies above the home directory is not checked. As root,
the user of the home directory and the caller of sudo count as the same user.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from resin_toolkit.errors import StateDamaged, os_reason
from resin_toolkit.sudo_caller import sudo_caller

_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
"""Flags of os.open, where the system has them."""
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_MAX_SIZE = 16 * 1024 * 1024
_LOCK_TIMEOUT = 10.0
"""Seconds to wait for another process that updates the same file, which takes milliseconds."""
_LOCK_PAUSE = 0.02
_UNMAPPED = 65534
"""The owner, in a user namespace, of directories such as / whose owner has no number there."""


def state_folder() -> Path:
    """The state directory of resin, which may not exist yet."""
    configured = os.environ.get("XDG_STATE_HOME", "")
    base = Path(configured) if Path(configured).is_absolute() else Path.home() / ".local" / "state"
    return base / "resin"


def check_folder(folder: Path) -> None:
    """Raise PermissionError if another user can exchange the folder, or one above it. It need not exist."""
    own = _own_users()
    if not own:
        return
    real = folder.resolve()
    for path in dict.fromkeys((folder, *folder.parents, *real.parents, real)):
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        is_own = status.st_uid in own or (status.st_uid == _UNMAPPED and path != folder)
        is_open = (
            stat.S_ISDIR(status.st_mode) and status.st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH
        )
        if (is_own and not is_open) or path in _above_home(real):
            continue
        reason = f"everybody can write to {path}" if is_own else f"{path} belongs to another user"
        raise PermissionError(errno.EPERM, reason, str(path))


def read_state(name: str, *, protects: bool = False, hint: str = "") -> dict[str, Any]:
    """Read the JSON object in the file `name`; empty if the file is missing.

    An unreadable or invalid file is empty too, but raises StateDamaged if its content `protects` the user: a
    damaged list of host keys must not make every host new. So does one that another user could have written.
    `hint` is that of the error.
    """
    path = state_folder() / name
    try:
        with open(path, encoding="utf-8", opener=_open_without_links) as file:
            _check_file(file.fileno(), path)
            content = json.load(file)
    except PermissionError as error:
        if protects and error.errno == errno.EPERM:
            raise StateDamaged(
                f"{path} cannot be trusted: {error.strerror}.",
                hint="Set XDG_STATE_HOME to a directory that only you can write to.",
            ) from error
        if protects:
            raise state_damaged(path, _reason(error), hint) from error
        return {}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        if protects:
            raise state_damaged(path, _reason(error), hint) from error
        return {}
    if isinstance(content, dict):
        return content
    if protects:
        raise state_damaged(path, "it is not a JSON object", hint)
    return {}


def state_damaged(path: Path, reason: str, hint: str = "") -> StateDamaged:
    """The error for a file that protects the user and cannot be read."""
    general = "Restore it from a backup, or delete it to trust every device again at its next connection."
    return StateDamaged(f"{path} is damaged: {reason}.", hint=hint or general)


@contextmanager
def update_state(name: str, *, protects: bool = False, hint: str = "") -> Iterator[dict[str, Any]]:
    """Yield the object in the file `name` to be changed; it is written if the block raises nothing.

    Other processes that update it wait meanwhile; readers see the old file or the new one. New files and
    directories belong to the owner of the directory above them, also under sudo. Raises OSError, also for a
    directory in which another user could exchange the file, and StateDamaged as `read_state` does.
    """
    folder = state_folder()
    make_folder(folder)
    lock_path = folder / f".{name}.lock"
    descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o600)
    with open(descriptor, "r+b"):  # noqa: PTH123 - a descriptor, not a path
        os.fchmod(descriptor, 0o600)
        _give_to_owner(descriptor, folder)
        _wait_for_lock(descriptor, lock_path)
        content = read_state(name, protects=protects, hint=hint)
        yield content
        replace_file(folder / name, json.dumps(content, indent=1, sort_keys=True) + "\n", sync=protects)


def entry_time(entry: Any) -> str:
    """The `at` of an entry, RFC 3339 in UTC; empty if it has none. Anybody may have edited the file."""
    at = entry.get("at") if isinstance(entry, dict) else None
    return at if isinstance(at, str) else ""


def add_entry(state: dict[str, Any], key: str, entry: dict[str, Any], *, limit: int) -> None:
    """Store `entry` with the current time as its `at`, and remove the oldest entries beyond `limit`."""
    state[key] = {**entry, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    for old in sorted(state, key=lambda known: entry_time(state[known]))[:-limit]:
        del state[old]


def _open_without_links(path: str, flags: int) -> int:
    return os.open(path, flags | _NO_LINK | _NO_WAIT)


def _check_file(descriptor: int, path: Path) -> None:
    """Raise OSError if it is no regular file, or too large; PermissionError if it may not be the user's."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_SIZE:
        raise OSError(errno.EINVAL, "it is not a regular file of at most 16 MiB", str(path))
    own = _own_users()
    if own and (status.st_uid not in own or status.st_mode & stat.S_IWOTH):
        raise PermissionError(errno.EPERM, "another user can write to it", str(path))
    check_folder(path.parent)


def _above_home(real: Path) -> set[Path]:
    """What lies above the home directory, as the system names it, that contains the folder.

    On some systems it belongs to an ordinary user, who could exchange the whole home directory anyhow.
    """
    import pwd

    above: set[Path] = set()
    for user in _own_users():
        try:
            home = Path(pwd.getpwuid(user).pw_dir)
        except KeyError:
            continue
        if real.is_relative_to(home.resolve()):
            above |= {*home.parents, *home.resolve().parents}
    return above


def _own_users() -> set[int]:
    """The user IDs that count as the user's own; none on a system without them."""
    if not hasattr(os, "geteuid"):
        return set()
    own = {0, os.geteuid()}
    if own == {0}:
        caller = sudo_caller()
        own |= set() if caller is None else {caller[0]}
        with suppress(FileNotFoundError):
            own.add(Path.home().stat().st_uid)
    return own


def _wait_for_lock(descriptor: int, path: Path) -> None:
    """Lock an open file exclusively. Raises TimeoutError if another process holds it for long."""
    import fcntl

    deadline = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another process holds its lock", str(path)) from None
            time.sleep(_LOCK_PAUSE)
        else:
            return


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return "it is a symbolic link" if error.errno == errno.ELOOP else os_reason(error)
    return "it is not valid JSON"


def make_folder(folder: Path) -> None:
    """Create a folder in the state directory, and those above it: mode 0700, with the owner of the one above.

    Raises OSError, also for one in which another user could exchange files.
    """
    check_folder(folder)
    missing = [folder] if not folder.exists() else []
    while missing and not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(each, os.O_RDONLY | os.O_DIRECTORY | _NO_LINK)
        try:
            _give_to_owner(descriptor, each.parent)
        finally:
            os.close(descriptor)


def _give_to_owner(descriptor: int, folder: Path) -> None:
    """As root, change the owner of an open file to that of the folder that it lies in."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != os.fstat(descriptor).st_uid:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def replace_file(path: Path, text: str, *, sync: bool = False) -> None:
    """Replace a file in the state directory: mode 0600; with `sync`, it is then on disk. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(text)
            if sync:
                file.flush()
                os.fsync(descriptor)
            _give_to_owner(descriptor, path.parent)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise

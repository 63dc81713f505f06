"""Watching folders for changes, with watchfiles."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from resin_toolkit.errors import IoFailed, ResinError

_STEP = 40
"""Milliseconds without a change that end a burst."""
_TIMEOUT = 300
"""Milliseconds after which the first report without a change shows that watching has begun."""


class FileWatcher:
    """Notices changes below folders, in a thread of its own, until it is closed.

    `debounce` is in seconds: the longest wait for the end of a burst of changes.
    """

    def __init__(self, folders: Sequence[Path], *, debounce: float) -> None:
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._failure: ResinError | None = None
        self._folders = tuple(folders)
        self._debounce = debounce
        self._thread = threading.Thread(target=self._run, name="watch the project", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for a change since the last call; return whether one came. Raises IoFailed."""
        happened = self._changed.wait(seconds)
        self._changed.clear()
        if self._failure is not None:
            raise self._failure
        return happened

    def trigger(self) -> None:
        """Let `wait` return as if something had changed."""
        self._changed.set()

    def close(self) -> None:
        self._stop.set()
        self._changed.set()
        self._thread.join(timeout=5.0)

    def __enter__(self) -> FileWatcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        from watchfiles import watch

        if not self._folders:
            return
        try:
            is_first = True
            for changes in watch(
                *self._folders,
                watch_filter=None,
                debounce=max(_STEP, int(self._debounce * 1000)),
                step=_STEP,
                rust_timeout=_TIMEOUT,
                yield_on_timeout=True,
                stop_event=self._stop,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                # A change before watching began was not reported: let `wait` return once.
                if changes or is_first:
                    self._changed.set()
                is_first = False
        except (OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else "the system does not report changes"
            self._failure = IoFailed(
                f"Cannot watch the project for changes: {reason}.",
                hint="Check the limit on watched folders: `sysctl fs.inotify.max_user_watches`.",
            )
            self._changed.set()


def folder_identities(folders: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """The existing folders with their device and inode, which tell them from another one at the same path."""
    found = {}
    for folder in folders:
        with suppress(OSError):
            status = folder.stat()
            found[folder] = (status.st_dev, status.st_ino)
    return found

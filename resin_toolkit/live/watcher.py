"""Being told that something below some folders was changed. The only file that knows watchfiles."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from resin_toolkit.errors import IoFailed, ResinError

_STEP = 40
"""Milliseconds of quiet after which a burst of changes counts as over."""
_FIRST = 300
"""Milliseconds without a change after which it is certain that it watches."""


class FileWatcher:
    """Tells that something has changed, in a thread of its own until it is closed.

    `debounce` is for how many seconds at most a burst that does not end is waited out.
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
        """Whether something has changed since the last call; waits so long for it. Raises IoFailed."""
        happened = self._changed.wait(seconds)
        self._changed.clear()
        if self._failure is not None:
            raise self._failure
        return happened

    def trigger(self) -> None:
        """Let who waits look, as if something had changed."""
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
            is_new = True
            for changes in watch(
                *self._folders,
                watch_filter=None,
                debounce=max(_STEP, int(self._debounce * 1000)),
                step=_STEP,
                rust_timeout=_FIRST,
                yield_on_timeout=True,
                stop_event=self._stop,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                # What was saved before it began to watch was not told of: whoever waits has to look.
                if changes or is_new:
                    self._changed.set()
                is_new = False
        except (OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else "the system does not tell of changes"
            self._failure = IoFailed(
                f"The project cannot be watched: {reason}.",
                hint="`sysctl fs.inotify.max_user_watches` says how many folders the system watches.",
            )
            self._changed.set()


def folder_identities(folders: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Those of the folders that are there, and by what each is known from another one at the same path."""
    found = {}
    for folder in folders:
        with suppress(OSError):
            status = folder.stat()
            found[folder] = (status.st_dev, status.st_ino)
    return found

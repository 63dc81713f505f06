"""The checksums of a block map, compared in a thread of their own while the rest is made ready."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Self

from image_tools.block_map import BlockMap, check_ranges
from image_tools.source import Source

Told = int | BaseException
"""Up to which byte the image was found right, or why it was not."""


class _Closed(Exception):
    pass


class CheckAhead:
    """Compares the mapped ranges of a source that can be read anywhere, from when the `with` block begins.

    Nothing is raised before somebody listens.
    """

    def __init__(self, block_map: BlockMap, source: Source) -> None:
        self.source = source
        self._map = block_map
        self._closed = Event()
        self._lock = Lock()
        self._last: Told = 0
        self._tell: Callable[[Told], object] = bool
        self._thread = Thread(target=self._run, name="flash-check", daemon=True)

    def listen(self, tell: Callable[[Told], object]) -> None:
        """Let `tell` hear how far it is now, and from now on; from any thread."""
        with self._lock:
            self._tell = tell
            tell(self._last)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            check_ranges(self._map, self.source.size or 0, self._read_at, self._passed)
        except _Closed:
            return
        except BaseException as failure:  # noqa: BLE001 - carried over to the thread that listens
            self._passed(failure)

    def _read_at(self, buffer: memoryview, offset: int) -> int:
        if self._closed.is_set():
            raise _Closed
        return self.source.read_at(buffer, offset)

    def _passed(self, told: Told) -> None:
        with self._lock:
            self._last = told
            self._tell(told)

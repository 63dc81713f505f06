"""Verifies the checksums of a block map in a background thread."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Self

from image_tools.block_map import BlockMap, verify_ranges
from image_tools.source import Source

VerifiedUpTo = int | BaseException
"""The offset up to which the image is verified, or the failure."""


class _Closed(Exception):
    pass


class BmapVerifier:
    """Verifies the mapped ranges of a seekable source while the `with` block runs.

    A failure is passed to the listener, not raised.
    """

    def __init__(self, block_map: BlockMap, source: Source) -> None:
        self.source = source
        self._map = block_map
        self._closed = Event()
        self._lock = Lock()
        self._last: VerifiedUpTo = 0
        self._listener: Callable[[VerifiedUpTo], object] = bool
        self._thread = Thread(target=self._run, name="bmap-verifier", daemon=True)

    def listen(self, listener: Callable[[VerifiedUpTo], object]) -> None:
        """Call `listener` with the current state and each later one, from any thread."""
        with self._lock:
            self._listener = listener
            listener(self._last)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            verify_ranges(self._map, self.source.size or 0, self._read_at, self._verified)
        except _Closed:
            return
        except BaseException as failure:  # noqa: BLE001 - passed to the listener
            self._verified(failure)

    def _read_at(self, buffer: memoryview, offset: int) -> int:
        if self._closed.is_set():
            raise _Closed
        return self.source.read_at(buffer, offset)

    def _verified(self, state: VerifiedUpTo) -> None:
        with self._lock:
            self._last = state
            self._listener(state)

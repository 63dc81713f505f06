"""A stream of the engine's that only says that there is something new, not what."""

from __future__ import annotations

from threading import Event, Thread

from resin_toolkit.engine import RawStream
from resin_toolkit.errors import Unreachable

GATHERING = 0.02
"""Seconds between two strokes at least, in which more of a log gathers."""


class ChangeNotifier:
    """Rings for each part that comes over `stream`, which it reads in a thread of its own, up to its end."""

    def __init__(self, stream: RawStream) -> None:
        self._stream = stream
        self._rung = Event()
        self._closed = Event()
        self._over = Event()
        self._failure: Unreachable | None = None
        Thread(target=self._listen, name="notifier of a log", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Return as soon as it has rung, or after so many seconds; whether the stream still goes on.

        Raises Unreachable where the connection broke.
        """
        self._rung.wait(seconds)
        # Before the look at the end, which rings after it has come.
        self._rung.clear()
        if self._over.is_set():
            self._rung.set()
            if self._failure is not None:
                raise self._failure
            return False
        return True

    def close(self) -> None:
        self._closed.set()
        self._stream.close()

    def _listen(self) -> None:
        try:
            while self._stream.read():
                self._rung.set()
                if self._closed.wait(GATHERING):
                    break
        except Unreachable as error:
            self._failure = error
        self._over.set()
        self._rung.set()

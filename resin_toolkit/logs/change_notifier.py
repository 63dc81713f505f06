"""Waiting for a container to write to its log."""

from __future__ import annotations

from threading import Event, Thread

from resin_toolkit.engine import RawStream
from resin_toolkit.errors import Unreachable

BATCH_SECONDS = 0.02
"""The least time in seconds between two notifications, in which more lines can accumulate."""


class ChangeNotifier:
    """Notifies of new data on a followed log, which a thread reads and discards until the stream ends."""

    def __init__(self, stream: RawStream) -> None:
        self._stream = stream
        self._notified = Event()
        self._closed = Event()
        self._ended = Event()
        self._failure: Unreachable | None = None
        Thread(target=self._listen, name="log change notifier", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait for new data, `seconds` at most. Returns whether the stream is still open.

        Raises Unreachable if the connection was lost.
        """
        self._notified.wait(seconds)
        # Cleared before `_ended` is checked: `_listen` sets `_ended` first, then notifies.
        self._notified.clear()
        if self._ended.is_set():
            self._notified.set()
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
                self._notified.set()
                if self._closed.wait(BATCH_SECONDS):
                    break
        except Unreachable as error:
            self._failure = error
        self._ended.set()
        self._notified.set()

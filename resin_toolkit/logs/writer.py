"""Writing lines to stdout from several threads: in order, with bounded memory, until nobody reads stdout."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition

from resin_toolkit.logs.rendering import RenderedLines

MAX_QUEUED = 1024 * 1024
"""Bytes that may be queued; threads with more of them wait."""


class WriterClosed(Exception):
    """The writer was closed."""


class LogWriter:
    """Queues lines from any thread; the thread that calls `run` writes them.

    `write` is called with bytes for stdout; `descriptor` is its file descriptor, if it has one.
    """

    def __init__(self, write: Callable[[bytes], object], descriptor: int | None) -> None:
        self.lines = 0
        """The number of lines written."""
        self._write = write
        self._descriptor = descriptor
        self._waiting: deque[RenderedLines] = deque()
        self._size = 0
        self._changed = Condition()
        self._failure: BaseException | None = None
        self._finished = False
        self._closed = False
        self._in_line = False
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def put(self, shown: RenderedLines) -> None:
        """Queue lines; waits while the queue is full. Raises WriterClosed."""
        if not shown.data:
            return
        with self._changed:
            while self._size > MAX_QUEUED and not self._closed:
                self._changed.wait()
            if self._closed:
                raise WriterClosed
            self._waiting.append(shown)
            self._size += len(shown.data)
            if len(self._waiting) == 1:
                self._signal()

    def fail(self, failure: BaseException) -> None:
        """Make `run` raise `failure` after it has written the queue."""
        with self._changed:
            self._failure = self._failure or failure
            self._signal()

    def finish(self) -> None:
        """Make `run` return after it has written the queue."""
        with self._changed:
            self._finished = True
            self._signal()

    def run(self, until: float | None = None) -> None:
        """Write the queue until `finish` is called, or until the time.monotonic() of `until`.

        Raises the failure passed to `fail`, what `write` raises, and BrokenPipeError if nobody reads stdout.
        """
        with _waking_on_signals(self._wake):
            self._run(until)

    def _run(self, until: float | None) -> None:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._descriptor is not None:
            poll.register(self._descriptor, 0)
        while True:
            if self.write_waiting():
                continue
            if self._failure is not None:
                raise self._failure
            left = None if until is None else until - time.monotonic()
            if self._finished or (left is not None and left <= 0):
                return
            for descriptor, events in poll.poll(None if left is None else int(left * 1000) + 1):
                if descriptor == self._woken:
                    os.read(self._woken, 64)
                elif events & (select.POLLERR | select.POLLHUP):
                    raise BrokenPipeError

    def write_waiting(self) -> bool:
        """Write the current queue. Returns whether it held anything."""
        with self._changed:
            batch = list(self._waiting)
            self._waiting.clear()
            self._size = 0
            self._changed.notify_all()
        for shown in batch:
            self.write(shown)
        return bool(batch)

    def write(self, shown: RenderedLines) -> None:
        """Write lines directly; only for the thread that calls `run`."""
        if not shown.data:
            return
        data = b"\n" + shown.data if self._in_line else shown.data
        self._in_line = not shown.ended
        self.lines += shown.lines
        self._write(data)

    def close(self) -> None:
        """Drop the queue; threads that wait get WriterClosed."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
            os.close(self._woken)
            os.close(self._wake)

    def _signal(self) -> None:
        if self._closed:
            return
        # If the pipe is full, `run` has enough to wake it.
        with suppress(BlockingIOError):
            os.write(self._wake, b"\0")


@contextmanager
def _waking_on_signals(descriptor: int) -> Iterator[None]:
    """Write a byte to a non-blocking pipe for each signal, if this is the main thread.

    A signal that arrives between Python's last look for signals and the wait of `poll` would not end it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)

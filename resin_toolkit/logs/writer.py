"""From the threads that read to the one that writes: in order, bounded, and ended when nobody reads."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition

from resin_toolkit.logs.rendering import RenderedLines

MOST = 1024 * 1024
"""Bytes that wait to be written; whoever has more waits too."""


class WriterClosed(Exception):
    """Nothing is written any more."""


class LogWriter:
    """Takes what is to be written from any thread; `run` writes it, in the thread that calls it.

    `write` gets bytes for stdout, whose descriptor is `descriptor` where it has one.
    """

    def __init__(self, write: Callable[[bytes], object], descriptor: int | None) -> None:
        self.lines = 0
        """How many were written."""
        self._write = write
        self._descriptor = descriptor
        self._waiting: deque[RenderedLines] = deque()
        self._size = 0
        self._changed = Condition()
        self._failure: BaseException | None = None
        self._finished = False
        self._closed = False
        self._amid_line = False
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def put(self, shown: RenderedLines) -> None:
        """Have it written; waits while too much is waiting. Raises WriterClosed."""
        if not shown.data:
            return
        with self._changed:
            while self._size > MOST and not self._closed:
                self._changed.wait()
            if self._closed:
                raise WriterClosed
            self._waiting.append(shown)
            self._size += len(shown.data)
            if len(self._waiting) == 1:
                self._signal()

    def fail(self, failure: BaseException) -> None:
        """Let `run` raise this, once all is written that was put before."""
        with self._changed:
            self._failure = self._failure or failure
            self._signal()

    def finish(self) -> None:
        """Let `run` return, once all is written that was put before."""
        with self._changed:
            self._finished = True
            self._signal()

    def run(self, until: float | None = None) -> None:
        """Write what is put, up to `finish`, or up to the time.monotonic() of `until`.

        Raises what `fail` was told, what `write` raises, and BrokenPipeError as soon as nobody reads.
        """
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
        """Write what was put until now; whether that was anything."""
        with self._changed:
            batch = list(self._waiting)
            self._waiting.clear()
            self._size = 0
            self._changed.notify_all()
        for shown in batch:
            self.write(shown)
        return bool(batch)

    def write(self, shown: RenderedLines) -> None:
        """Write it now; only for the thread that runs it."""
        if not shown.data:
            return
        data = b"\n" + shown.data if self._amid_line else shown.data
        self._amid_line = not shown.ended
        self.lines += shown.lines
        self._write(data)

    def close(self) -> None:
        """Let nobody wait any longer."""
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
        # Where there is no more room, it is awake already.
        with suppress(BlockingIOError):
            os.write(self._wake, b"\0")

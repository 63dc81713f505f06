"""Threads that work side by side on a fixed set of buffers; a failure, or an interrupt, stops all."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_PATIENCE = 1.0
"""Seconds to wait, when all stops early, for a thread that may be stuck in a read from a pipe."""


class Stopped(Exception):
    """Raised in a stage when another one has failed; not a failure of its own."""


class _End:
    pass


_END = _End()


class Channel(Generic[T]):
    """Hands things from one stage to the next, in order."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[T | _End] = SimpleQueue()

    def put(self, item: T) -> None:
        self._queue.put(item)

    def get(self) -> T:
        """The next thing; waits for it. Raises Stopped once the pipeline is stopped."""
        return self._checked(self._queue.get())

    def get_now(self) -> T | None:
        """The next thing if there is one; raises Stopped."""
        try:
            return self._checked(self._queue.get_nowait())
        except Empty:
            return None

    def get_within(self, seconds: float) -> T | None:
        """The next thing, None if nothing comes in time; raises Stopped."""
        try:
            return self._checked(self._queue.get(timeout=seconds))
        except Empty:
            return None

    def stop(self) -> None:
        """Whoever waits for something here, now or later, gets Stopped."""
        self._queue.put(_END)

    def _checked(self, item: T | _End) -> T:
        if isinstance(item, _End):
            self._queue.put(item)
            raise Stopped
        return item


class Pipeline:
    """Stages and the channels between them, in a `with` block that none of its threads outlives.

    A stage that raises stops the others; what it raised is raised again at the end of the block. A thread
    that waits for a pipe when all is stopped early is left behind; it does not keep the process alive.
    Stages may start others.
    """

    def __init__(self) -> None:
        self._channels: list[Channel[object]] = []
        self._threads: list[tuple[Thread, bool]] = []
        self._stopped = False
        self._failure: BaseException | None = None

    def channel(self, kind: type[T]) -> Channel[T]:  # noqa: ARG002 - names the type for the checker
        channel: Channel[T] = Channel()
        self._channels.append(channel)  # type: ignore[arg-type]
        if self._stopped:
            channel.stop()
        return channel

    def stage(self, name: str, work: Callable[[], None], *, may_wait: bool = False) -> None:
        """Run `work` in a thread of its own; one that `may_wait`, for a pipe, does not delay a stop."""
        thread = Thread(target=self._run, args=(work,), name=name, daemon=True)
        thread.start()
        self._threads.append((thread, may_wait))

    def stop(self) -> None:
        """Let every stage end at its next look at a channel."""
        self._stopped = True
        for channel in list(self._channels):
            channel.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.stop()
        joined = 0
        while joined < len(self._threads):  # a stage may have started another one meanwhile
            thread, may_wait = self._threads[joined]
            thread.join(_PATIENCE if may_wait and self._stopped else None)
            joined += 1
        if self._failure is not None and (error is None or isinstance(error, Stopped)):
            raise self._failure

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Stopped:
            return
        except BaseException as failure:  # noqa: BLE001 - carried over to the thread that waits
            if self._failure is None:
                self._failure = failure
            self.stop()

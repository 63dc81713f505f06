"""Threads connected by channels; a failure or an interrupt of one stops all."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

from resin_toolkit.interruptible import TICK

T = TypeVar("T")

_STOP_TIMEOUT = 1.0
"""Seconds to wait, when all stops early, for a thread that may be stuck in a read from a pipe."""


class Stopped(Exception):
    """Raised in a stage when the pipeline is stopped; not a failure of its own."""


class _End:
    pass


_END = _End()


class Channel(Generic[T]):
    """A queue between stages that can be stopped."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[T | _End] = SimpleQueue()

    def put(self, item: T) -> None:
        self._queue.put(item)

    def get(self) -> T:
        """Wait for the next item. Raises Stopped once the pipeline is stopped."""
        while True:
            # With a limit, so that the main thread misses no signal that arrives just before the wait.
            try:
                return self._checked(self._queue.get(timeout=TICK))
            except Empty:
                continue

    def get_now(self) -> T | None:
        """The next item, or None if there is none now; raises Stopped."""
        try:
            return self._checked(self._queue.get_nowait())
        except Empty:
            return None

    def get_within(self, seconds: float) -> T | None:
        """The next item, or None after a timeout; raises Stopped."""
        try:
            return self._checked(self._queue.get(timeout=seconds))
        except Empty:
            return None

    def stop(self) -> None:
        """Let every current and later `get` raise Stopped."""
        self._queue.put(_END)

    def _checked(self, item: T | _End) -> T:
        if isinstance(item, _End):
            self._queue.put(item)
            raise Stopped
        return item


class Pipeline:
    """Stages (threads) and the channels between them, in a `with` block that waits for all threads.

    An exception in a stage stops the others and is raised again at the end of the block. After a stop, a
    thread that blocks in a read from a pipe is abandoned; it does not keep the process alive. Stages may
    start other stages.
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

    def stage(self, name: str, work: Callable[[], None], *, may_block: bool = False) -> None:
        """Run `work` in a thread; with `may_block`, for reads from a pipe, a stop does not wait for it."""
        thread = Thread(target=self._run, args=(work,), name=name, daemon=True)
        thread.start()
        self._threads.append((thread, may_block))

    def stop(self) -> None:
        """Stop every stage at its next access to a channel."""
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
            thread, may_block = self._threads[joined]
            thread.join(_STOP_TIMEOUT if may_block and self._stopped else None)
            joined += 1
        if self._failure is not None and (error is None or isinstance(error, Stopped)):
            raise self._failure

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Stopped:
            return
        except BaseException as failure:  # noqa: BLE001 - raised again in the thread that waits
            if self._failure is None:
                self._failure = failure
            self.stop()

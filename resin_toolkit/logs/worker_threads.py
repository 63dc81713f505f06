"""Threads whose failures reach the one that waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock, Thread

from resin_toolkit.logs.writer import WriterClosed
from resin_toolkit.reach.reconnecting_engine import ConnectionClosed


class WorkerThreads:
    """Threads that do not hold up the end of the process; `failed` is told what one of them raised."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._threads: list[Thread] = []
        self._lock = Lock()

    def start(self, name: str, work: Callable[[], object]) -> None:
        thread = Thread(target=self._run, args=(work,), name=name, daemon=True)
        with self._lock:
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()

    def join(self, within: float) -> None:
        """Wait for all of them, for so many seconds at most."""
        deadline = time.monotonic() + within
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (ConnectionClosed, WriterClosed):
            pass
        except BaseException as failure:  # noqa: BLE001 - the waiting thread raises it
            self._failed(failure)

"""Threads whose exceptions are passed to another thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock, Thread

from resin_toolkit.logs.writer import WriterClosed
from resin_toolkit.reach.reconnecting_engine import ConnectionClosed


class WorkerThreads:
    """Daemon threads; `failed` is called with what one of them raises."""

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
        """Wait for all threads to end, at most `within` seconds."""
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
        except BaseException as failure:  # noqa: BLE001 - the main thread raises it
            self._failed(failure)

"""Flow control: targets share the buffers, so one that is much slower must not stall the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

PATIENCE = 20.0
"""Total seconds that the other targets wait for one before it is excluded."""
FAR_SLOWER = 4.0


class Worker(Protocol):
    """A writer, as flow control sees it."""

    @property
    def alive(self) -> bool: ...
    @property
    def pending(self) -> int: ...
    @property
    def rate(self) -> float: ...


W = TypeVar("W", bound=Worker)


class FlowControl:
    """Finds workers that the others have waited for too long."""

    def __init__(self) -> None:
        self._waited: dict[int, float] = {}

    def slow_workers(self, workers: Sequence[W], seconds: float) -> list[W]:
        """The workers to exclude, after everyone waited `seconds` more for a free buffer.

        A worker is excluded only if others were idle meanwhile and are several times as fast.
        """
        working = [worker for worker in workers if worker.alive]
        idle = [worker for worker in working if not worker.pending]
        busy = [worker for worker in working if worker.pending]
        if not idle:
            return []
        slowest_idle_rate = min(worker.rate for worker in idle)
        overdue = []
        for worker in busy:
            waited = self._waited[id(worker)] = self._waited.get(id(worker), 0.0) + seconds
            if waited > PATIENCE and worker.rate * FAR_SLOWER < slowest_idle_rate:
                overdue.append(worker)
        return overdue

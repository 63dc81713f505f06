"""Drives that are written side by side share the buffers; one that is far slower must not hold the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

PATIENCE = 20.0
"""Seconds, in all, that the others have waited for a drive before it is set apart."""
FAR_SLOWER = 4.0


class Worker(Protocol):
    """One of those that keep pace."""

    @property
    def alive(self) -> bool: ...
    @property
    def pending(self) -> int: ...
    @property
    def rate(self) -> float: ...


W = TypeVar("W", bound=Worker)


class Pace:
    """Tells which of several workers the others have waited for too long."""

    def __init__(self) -> None:
        self._waited: dict[int, float] = {}

    def laggards(self, workers: Sequence[W], seconds: float) -> list[W]:
        """Those who are overdue, now that all have waited `seconds` more for a free buffer.

        One is only ever overdue beside others that had nothing to do, and that are several times as fast.
        """
        working = [worker for worker in workers if worker.alive]
        idle = [worker for worker in working if not worker.pending]
        busy = [worker for worker in working if worker.pending]
        if not idle:
            return []
        pace = min(worker.rate for worker in idle)
        overdue = []
        for worker in busy:
            waited = self._waited[id(worker)] = self._waited.get(id(worker), 0.0) + seconds
            if waited > PATIENCE and worker.rate * FAR_SLOWER < pace:
                overdue.append(worker)
        return overdue

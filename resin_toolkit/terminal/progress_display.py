"""Progress as a bar on a terminal, as a line every few seconds, or as JSON events."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from resin_toolkit.progress import Step
from resin_toolkit.terminal.screen import discard, format_size

SECONDS_BETWEEN_LINES = 10.0


class ProgressOutput(Protocol):
    """Where progress is printed: the Report."""

    def say(self, text: str) -> None: ...

    def event(self, name: str, **fields: object) -> None: ...


class _DisplayedStep(ABC):
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(finished=kind is None)

    @abstractmethod
    def close(self, *, finished: bool) -> None:
        """End the step; `finished` unless an exception ended it."""


class _BarStep(_DisplayedStep):
    def __init__(self, name: str, total: int | None) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(
            total=total,
            desc=name,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            file=sys.stderr,
            dynamic_ncols=True,
            miniters=1,
        )

    def advance(self, amount: int) -> None:
        try:
            self._bar.update(amount)
        except OSError:
            discard(sys.stderr)

    def close(self, *, finished: bool) -> None:  # noqa: ARG002
        try:
            self._bar.close()
        except OSError:
            discard(sys.stderr)


def _title(name: str, subject: str) -> str:
    return f"{subject}: {name}" if subject else name


class BarProgress:
    def step(self, name: str, total: int | None, *, subject: str = "") -> Step:
        return _BarStep(_title(name, subject), total)


class _TimedStep(_DisplayedStep):
    """Calls `show` with bytes and seconds so far, every `SECONDS_BETWEEN_LINES` and at the end."""

    def __init__(self, show: Callable[[int, float], None]) -> None:
        self._show = show
        self._done = 0
        self._started = self._shown = time.monotonic()

    def advance(self, amount: int) -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = now
            self._show(self._done, now - self._started)

    def close(self, *, finished: bool) -> None:
        if finished:
            self._show(self._done, time.monotonic() - self._started)


class LineProgress:
    def __init__(self, report: ProgressOutput) -> None:
        self._report = report

    def step(self, name: str, total: int | None, *, subject: str = "") -> Step:
        title = _title(name, subject)

        def show(done: int, seconds: float) -> None:
            rate = f", {format_size(int(done / seconds))}/s" if seconds > 0.1 else ""
            share = f" of {format_size(total)} ({100 * done // total}%)" if total else ""
            self._report.say(f"{title}: {format_size(done)}{share}{rate}")

        return _TimedStep(show)


class EventProgress:
    def __init__(self, report: ProgressOutput) -> None:
        self._report = report

    def step(self, name: str, total: int | None, *, subject: str = "") -> Step:
        about = {"target": subject} if subject else {}

        def show(done: int, seconds: float) -> None:
            times = {"seconds": round(seconds, 3)}
            self._report.event("progress", step=name, **about, bytes=done, total=total, **times)

        return _TimedStep(show)

"""The progress of a push: steps and build output on stderr, or events."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from resin_toolkit.errors import Notice
from resin_toolkit.progress import Progress, Step
from resin_toolkit.terminal.report import Report

_RECENT = 50
_LINE_LIMIT = 16 * 1024
"""Characters after which an unfinished line is shown."""


class PushReport:
    """Prints the events of a deployment; with `several` services, their names precede each line."""

    def __init__(self, report: Report, *, several: bool) -> None:
        self._report = report
        self._several = several
        self._open: dict[str, str] = {}
        self._recent: deque[str] = deque(maxlen=_RECENT)
        """The last lines of output of the current step."""
        self._lock = threading.Lock()
        self.progress: Progress = _DelayedProgress(report)

    def step(self, service: str, what: str) -> None:
        self._recent.clear()
        self._report.event("step", service=service, step=what)
        self._report.say(f"{service}: {what}" if self._several else _sentence(what))

    def output(self, service: str, text: str) -> None:
        with self._lock:
            *whole, open_line = (self._open.get(service, "") + text).split("\n")
            if len(open_line) > _LINE_LIMIT:
                whole, open_line = [*whole, open_line], ""
            self._open[service] = open_line
            for line in map(plain_text, whole):
                self._recent.append(line)
                self._report.event("output", service=service, text=line)
                self._report.say(f"{service} | {line.rstrip()}" if self._several else line)

    def warn(self, notice: Notice) -> None:
        self._report.warn(notice)

    def last_output(self, service: str, lines: list[str]) -> None:
        """Show the last output of what failed, unless it is what was printed last."""
        self._report.event("last-lines", service=service, lines=lines)
        quiet = self._report.settings.quiet
        if quiet or self._several or not set(lines) <= set(self._recent):
            self._report.before_error([f"  {line}" for line in lines])


def plain_text(line: str) -> str:
    """A line of build output without colours, and without what a carriage return overwrites."""
    from resin_toolkit.terminal.ansi import strip_colours, strip_control_sequences

    last = line.rstrip("\r").rpartition("\r")[2]
    return strip_colours(strip_control_sequences(last.encode(errors="replace")).decode())


def _sentence(what: str) -> str:
    """Capitalise a step, unless it begins with a host or file name."""
    return what if "." in what.partition(" ")[0] else what[:1].upper() + what[1:]


class _DelayedProgress:
    """Shows a progress bar only for steps that take a while: a small context needs none."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def step(self, name: str, total: int | None, *, subject: str = "") -> _DelayedStep:
        return _DelayedStep(self._report, name, total, subject)


class _DelayedStep:
    _DELAY = 1.0
    """Seconds."""

    def __init__(self, report: Report, name: str, total: int | None, subject: str) -> None:
        self._started = time.monotonic()
        self._begin: Callable[[], Step] = lambda: report.progress().step(name, total, subject=subject)
        self._step: Step | None = None
        self._done = 0

    def advance(self, amount: int) -> None:
        self._done += amount
        if self._step is None and time.monotonic() - self._started < self._DELAY:
            return
        if self._step is None:
            self._step = self._begin()
            self._step.__enter__()
            amount = self._done
        self._step.advance(amount)

    def __enter__(self) -> _DelayedStep:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._step is not None:
            self._step.__exit__(kind, error, trace)

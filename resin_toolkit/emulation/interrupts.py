"""Signals during a session: the first one ends it in an orderly way, the second one at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, TypeVar

R = TypeVar("R")

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupts:
    """Counts SIGINT, SIGTERM and SIGHUP while the block runs, instead of raising KeyboardInterrupt anywhere.

    A KeyboardInterrupt at an arbitrary instruction could arrive before the code that answers it is reached,
    or lose half a message. So the first signal only ends `wait` early; further ones raise at once. Signals
    that are ignored, as under nohup, stay ignored.
    """

    def __init__(self) -> None:
        self._count = 0
        self._is_waiting = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def is_pending(self) -> bool:
        """Whether a signal has arrived."""
        return self._count > 0

    def wait(self, function: Callable[..., R], *arguments: object) -> R | None:
        """Call a blocking function and return its result; None if a first signal arrives or has arrived."""
        try:
            self._is_waiting = True
            try:
                return None if self._count else function(*arguments)
            finally:
                self._is_waiting = False
        except KeyboardInterrupt:
            if self._count > 1:
                raise
            return None

    def _received(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._count += 1
        if self._is_waiting or self._count > 1:
            self._is_waiting = False
            raise KeyboardInterrupt

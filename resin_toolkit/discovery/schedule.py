"""When to ask, when to give somebody up, when to end. Times are those of time.monotonic."""

from __future__ import annotations

import time

QUIET = 1.0
"""Seconds without news after which everybody has answered."""
_ASKED_AT = (0.0, 0.25, 1.0, 2.0, 3.0)
"""Seconds after the start."""
_ASKED_EVERY = 10.0
"""Seconds between two rounds of questions while it goes on."""
_ROUND = (0.0, 1.0, 2.5)
"""Seconds of a round at which is asked; who has not answered at its end is gone."""
_ROUND_END = 4.0


class QuerySchedule:
    """The times of one search, which lasts `within` seconds at most, or for ever with `watch`."""

    def __init__(self, started: float, within: float, *, watch: bool) -> None:
        self._watch = watch
        self._deadline = started + within
        self._last_news: float | None = None
        self._asks = [started + seconds for seconds in _ASKED_AT if watch or seconds < within]
        self.round_started = started
        self._round_end: float | None = None
        self._next_round = started + _ASKED_EVERY

    def news(self) -> None:
        self._last_news = time.monotonic()

    def is_over(self, *, waiting: bool) -> bool:
        """`waiting` is for devices that have not told all; they have until the deadline."""
        if self._watch:
            return False
        now = time.monotonic()
        quiet = self._last_news is not None and now >= self._last_news + QUIET and not waiting
        return quiet or now >= self._deadline

    def must_ask(self, now: float) -> bool:
        if self._watch and now >= self._next_round:
            self.begin_round(now)
        due = [when for when in self._asks if when <= now]
        self._asks = [when for when in self._asks if when > now]
        return bool(due)

    def begin_round(self, now: float) -> None:
        """Ask everybody again; who does not answer by its end is gone."""
        self._asks = sorted({*self._asks, *(now + seconds for seconds in _ROUND)})
        self.round_started = now
        self._round_end = now + _ROUND_END
        self._next_round = now + _ASKED_EVERY

    def suspect(self, suspicious: bool) -> None:
        """Begin a round at once, if there is reason to and none is under way."""
        if suspicious and self._watch and self._round_end is None:
            self.begin_round(time.monotonic())

    def round_is_over(self, now: float) -> bool:
        if self._round_end is None or now < self._round_end:
            return False
        self._round_end = None
        return True

    def next(self, now: float, expiry: float | None) -> float:
        """Until when nothing has to be done."""
        times = [now + QUIET, *self._asks[:1]]
        times += [when for when in (expiry, self._round_end) if when is not None]
        if not self._watch:
            times.append(self._deadline)
            if self._last_news is not None and self._last_news + QUIET > now:
                times.append(self._last_news + QUIET)
        return min(times)

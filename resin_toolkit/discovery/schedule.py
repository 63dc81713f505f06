"""When a search sends queries, gives up on a device, and ends. Times are those of time.monotonic."""

from __future__ import annotations

QUIET = 1.0
"""Seconds without a change after which every device has answered."""
_QUERY_TIMES = (0.0, 0.25, 1.0, 2.0, 3.0)
"""Seconds after the start."""
_ROUND_INTERVAL = 10.0
"""Seconds between two rounds of queries of a watch."""
_ROUND_QUERY_TIMES = (0.0, 1.0, 2.5)
"""Seconds after the start of a round. Devices that have not answered at its end are gone."""
_ROUND_DURATION = 4.0


class QuerySchedule:
    """The times of one search, which lasts `within` seconds at most, or forever with `watch`."""

    def __init__(self, started: float, within: float, *, watch: bool) -> None:
        self._watch = watch
        self._deadline = started + within
        self._last_change: float | None = None
        self._queries = [started + seconds for seconds in _QUERY_TIMES if watch or seconds < within]
        self.round_started = started
        self._round_end: float | None = None
        self._next_round = started + _ROUND_INTERVAL

    def record_change(self, now: float) -> None:
        """Note that a device changed: the search goes on for a while."""
        self._last_change = now

    def is_over(self, now: float, *, incomplete: bool) -> bool:
        """Whether the search ends. With `incomplete` devices it lasts until the deadline."""
        if self._watch:
            return False
        quiet = self._last_change is not None and now >= self._last_change + QUIET and not incomplete
        return quiet or now >= self._deadline

    def is_query_due(self, now: float) -> bool:
        """Whether to send a query now; true once for each time in the schedule."""
        if self._watch and now >= self._next_round:
            self.begin_round(now)
        due = [when for when in self._queries if when <= now]
        self._queries = [when for when in self._queries if when > now]
        return bool(due)

    def begin_round(self, now: float) -> None:
        """Query all devices again; those that do not answer by the end of the round are gone."""
        self._queries = sorted({*self._queries, *(now + seconds for seconds in _ROUND_QUERY_TIMES)})
        self.round_started = now
        self._round_end = now + _ROUND_DURATION
        self._next_round = now + _ROUND_INTERVAL

    def begin_extra_round(self, now: float) -> None:
        """Begin a round at once in a watch, unless one is running: a device may have moved."""
        if self._watch and self._round_end is None:
            self.begin_round(now)

    def has_round_ended(self, now: float) -> bool:
        """Whether a round ended since the last call."""
        if self._round_end is None or now < self._round_end:
            return False
        self._round_end = None
        return True

    def next_time(self, now: float, expiry: float | None) -> float:
        """When there is something to do again."""
        times = [now + QUIET, *self._queries[:1]]
        times += [when for when in (expiry, self._round_end) if when is not None]
        if not self._watch:
            times.append(self._deadline)
            if self._last_change is not None and self._last_change + QUIET > now:
                times.append(self._last_change + QUIET)
        return min(times)

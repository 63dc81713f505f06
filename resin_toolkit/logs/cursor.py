"""A position in a log, identified by the records before it.

A timestamp is no position: a device's clock starts in the past and jumps, the two streams of a container are
stamped before they are interleaved, and many records can share a timestamp. So reading resumes by content:
the engine is asked for its last records, and `cursor_search` finds among them those that were read before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from resin_toolkit.logs.records import stamp_of

MEMORY = 16 * 1024
"""The records that a cursor remembers. As many may vanish from the end of a log whose device lost its power,
without any of them being shown again."""


class Cursor:
    """The place behind the last record that was taken from a log."""

    def __init__(self, *, memory: int = MEMORY) -> None:
        self.marks: deque[int] = deque(maxlen=memory)
        """The hashes of the last records, in order; stream, time and text count."""
        self.stamp = b""
        """The time of the last record; empty at the beginning of the log."""
        self.run = 0
        """How many of the last records have this very time, one behind the other."""
        self.run_is_whole = False
        """Whether the record before those was taken too, and has another time."""

    @property
    def at_start(self) -> bool:
        """Whether nothing was taken yet, so that all of the log lies ahead."""
        return not self.marks

    def advance(self, records: Sequence[bytes]) -> None:
        """Go on behind `records`, which lie behind this place without a gap."""
        if not records:
            return
        stamp, run = run_at_end(records, len(records))
        if run < len(records):
            self.run, self.run_is_whole = run, True
        elif stamp == self.stamp:
            self.run += run
        else:
            self.run, self.run_is_whole = run, not self.at_start
        self.stamp = stamp
        self.marks.extend(map(hash, records[-self.memory :]))

    @property
    def memory(self) -> int:
        """How many records are remembered at most."""
        assert self.marks.maxlen is not None
        return self.marks.maxlen

    def behind(self, marks: Sequence[int], stamp: bytes) -> Cursor:
        """The place behind the records with these marks, some that this cursor remembers."""
        place = Cursor(memory=self.memory)
        place.marks.extend(marks)
        place.stamp = stamp
        place.run = 1
        return place


def run_at_end(records: Sequence[bytes], stop: int) -> tuple[bytes, int]:
    """The time of the record before `stop`, and how many records up to it have that time."""
    stamp = stamp_of(records[stop - 1])
    start = stop - 1
    while start and stamp_of(records[start - 1]) == stamp:
        start -= 1
    return stamp, stop - start

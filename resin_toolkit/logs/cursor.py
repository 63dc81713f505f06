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
"""The number of records that a cursor remembers. As many may vanish from the end of a log when a device loses
power, without any record being shown twice."""


class Cursor:
    """The position after the last record that was read from a log."""

    def __init__(self, *, memory: int = MEMORY) -> None:
        self.marks: deque[int] = deque(maxlen=memory)
        """The hashes of the last records, in order; each covers stream, time and text."""
        self.stamp = b""
        """The timestamp of the last record; empty at the start of the log."""
        self.run = 0
        """How many of the last records in a row have this same timestamp."""
        self.run_is_complete = False
        """Whether the record before the run was read too, and has another timestamp."""

    @property
    def at_start(self) -> bool:
        """Whether nothing was read yet."""
        return not self.marks

    def advance(self, records: Sequence[bytes]) -> None:
        """Move past `records`, which directly follow this position."""
        if not records:
            return
        stamp, run = run_at_end(records, len(records))
        if run < len(records):
            self.run, self.run_is_complete = run, True
        elif stamp == self.stamp:
            self.run += run
        else:
            self.run, self.run_is_complete = run, not self.at_start
        self.stamp = stamp
        self.marks.extend(map(hash, records[-self.memory :]))

    @property
    def memory(self) -> int:
        """The maximum number of records that are remembered."""
        assert self.marks.maxlen is not None
        return self.marks.maxlen

    def at(self, marks: Sequence[int], stamp: bytes) -> Cursor:
        """The position after the records with these marks, which are among those of this cursor."""
        position = Cursor(memory=self.memory)
        position.marks.extend(marks)
        position.stamp = stamp
        position.run = 1
        return position


def run_at_end(records: Sequence[bytes], stop: int) -> tuple[bytes, int]:
    """The timestamp of the record before index `stop`, and how many in a row up to it have the same one."""
    stamp = stamp_of(records[stop - 1])
    start = stop - 1
    while start and stamp_of(records[start - 1]) == stamp:
        start -= 1
    return stamp, stop - start

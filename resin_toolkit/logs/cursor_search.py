"""Finding a cursor's place again in what the engine has of the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from resin_toolkit.logs.cursor import Cursor, run_at_end
from resin_toolkit.logs.records import stamp_of

CONTEXT = 16
"""The records before those of the last time that have to be the same too."""
_KNOWN_CONTEXT = 64


class CursorFinder:
    """Looks for a cursor's place in records that are fed in the order of the log, without a gap.

    `from_start`: they begin with the first record that the engine has, not somewhere in the log.
    The cursor must not be at the start of the log.
    """

    def __init__(self, cursor: Cursor, *, from_start: bool) -> None:
        self.fed = 0
        """How many records were fed."""
        self._cursor = cursor
        self._from_start = from_start
        self._marks = list(cursor.marks)
        self._numbers = {mark: number for number, mark in enumerate(self._marks)}
        whole = len(self._marks)
        self.enough = min(whole, cursor.run + CONTEXT) if cursor.run_is_whole else whole
        """How many records up to the place have to be fed for it to be certain."""
        self._before: deque[int] = deque(maxlen=whole)
        self._run = (b"", 0)
        self._most = 0
        self._known: Cursor | None = None

    def feed(self, records: Sequence[bytes]) -> int | None:
        """Return the index in `records` after the position, or None while it was not found.

        Must not be called again once it was found.
        """
        if not records:
            return None
        hashes = list(map(hash, records))
        for number in [number for number, mark in enumerate(hashes) if mark in self._numbers]:
            if hashes[number] == self._marks[-1]:
                if self._is_place(number, records, hashes):
                    return number + 1
            elif self._from_start and not self._most:
                self._note(number, records, hashes)
        stamp, run = self._run_until(len(records), records)
        self._run = (stamp, run)
        self._before.extend(hashes)
        self.fed += len(records)
        return None

    def known(self) -> Cursor | None:
        """The place behind the last record that both the cursor and the engine know; None if there is none.

        Of use where all of the log was fed and the place was not met: the log begins behind some of the
        records that the cursor remembers, or it has lost the last ones, as the device lost its power.
        """
        return self._known

    def _is_place(self, number: int, records: Sequence[bytes], hashes: list[int]) -> bool:
        overlap = self._overlap(len(self._marks), number, hashes)
        position = self.fed + number + 1
        stamp, run = self._run_until(number + 1, records)
        run_is_whole = run < position or self._from_start
        fits = run == self._cursor.run if self._cursor.run_is_whole else run >= self._cursor.run
        if fits and run_is_whole and overlap >= self.enough:
            return True
        if overlap == position and overlap > self._most:
            self._most = overlap
            self._known = self._cursor.behind(self._marks[-overlap:], stamp)
        return False

    def _note(self, number: int, records: Sequence[bytes], hashes: list[int]) -> None:
        """Keep that this record is one that the cursor knows."""
        stop = self._numbers[hashes[number]] + 1
        start = max(0, stop - _KNOWN_CONTEXT)
        overlap = self._overlap(stop, number, hashes, at_most=stop - start)
        self._known = self._cursor.behind(self._marks[stop - overlap : stop], stamp_of(records[number]))

    def _overlap(self, stop: int, number: int, hashes: list[int], at_most: int | None = None) -> int:
        """How many of the marks before `stop` are those of the records up to `number`."""
        limit = stop if at_most is None else at_most
        count = 0
        for mark in self._backward(number, hashes):
            if count == limit or mark != self._marks[stop - 1 - count]:
                break
            count += 1
        return count

    def _backward(self, number: int, hashes: list[int]) -> Iterator[int]:
        for index in range(number, -1, -1):
            yield hashes[index]
        yield from reversed(self._before)

    def _run_until(self, stop: int, records: Sequence[bytes]) -> tuple[bytes, int]:
        """The time of the record before `stop`, and how many records up to it have that time."""
        stamp, run = run_at_end(records, stop)
        before, length = self._run
        return stamp, run + length if run == stop and stamp == before else run

"""Finding a cursor's position in the records that the engine has of the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from resin_toolkit.logs.cursor import Cursor, run_at_end
from resin_toolkit.logs.records import stamp_of

CONTEXT = 16
"""How many records before the last run have to match too."""
_KNOWN_CONTEXT = 64


class CursorFinder:
    """Searches for a cursor's position in records that are fed in the order of the log, without a gap.

    With `from_start`, they begin with the first record that the engine has, else anywhere in the log. The
    cursor must not be at the start of the log.
    """

    def __init__(self, cursor: Cursor, *, from_start: bool) -> None:
        self.fed = 0
        """How many records were fed."""
        self._cursor = cursor
        self._from_start = from_start
        self._marks = list(cursor.marks)
        self._numbers = {mark: number for number, mark in enumerate(self._marks)}
        whole = len(self._marks)
        self.enough = min(whole, cursor.run + CONTEXT) if cursor.run_is_complete else whole
        """How many records up to the position have to match for it to be certain."""
        self._before: deque[int] = deque(maxlen=whole)
        self._run = (b"", 0)
        self._most = 0
        self._known: Cursor | None = None

    def feed(self, records: Sequence[bytes]) -> int | None:
        """Return the index in `records` after the position; None if it is not found yet.

        Must not be called again once it was found.
        """
        if not records:
            return None
        hashes = list(map(hash, records))
        for number in [number for number, mark in enumerate(hashes) if mark in self._numbers]:
            if hashes[number] == self._marks[-1]:
                if self._is_position(number, records, hashes):
                    return number + 1
            elif self._from_start and not self._most:
                self._store_known(number, records, hashes)
        stamp, run = self._run_until(len(records), records)
        self._run = (stamp, run)
        self._before.extend(hashes)
        self.fed += len(records)
        return None

    def known(self) -> Cursor | None:
        """The position after the last record that both the cursor and the engine have; None without one.

        For a whole log in which the position was not found: the log has lost its start by rotation, or its
        end because the device lost power.
        """
        return self._known

    def _is_position(self, number: int, records: Sequence[bytes], hashes: list[int]) -> bool:
        overlap = self._overlap(len(self._marks), number, hashes)
        position = self.fed + number + 1
        stamp, run = self._run_until(number + 1, records)
        run_is_complete = run < position or self._from_start
        fits = run == self._cursor.run if self._cursor.run_is_complete else run >= self._cursor.run
        if fits and run_is_complete and overlap >= self.enough:
            return True
        if overlap == position and overlap > self._most:
            self._most = overlap
            self._known = self._cursor.at(self._marks[-overlap:], stamp)
        return False

    def _store_known(self, number: int, records: Sequence[bytes], hashes: list[int]) -> None:
        """Set `_known` to the position after this record, which the cursor remembers."""
        stop = self._numbers[hashes[number]] + 1
        start = max(0, stop - _KNOWN_CONTEXT)
        overlap = self._overlap(stop, number, hashes, at_most=stop - start)
        self._known = self._cursor.at(self._marks[stop - overlap : stop], stamp_of(records[number]))

    def _overlap(self, stop: int, number: int, hashes: list[int], at_most: int | None = None) -> int:
        """How many of the marks before `stop` match the records up to `number`, counted backwards."""
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
        """As `run_at_end`, counting records of earlier calls too."""
        stamp, run = run_at_end(records, stop)
        before, length = self._run
        return stamp, run + length if run == stop and stamp == before else run

"""Finding a cursor's place again in what the engine has of the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from resin_toolkit.logs.cursor import Cursor, run_at_end
from resin_toolkit.logs.records import stamp_of

CONTEXT = 16
"""The pieces before those of the last time that have to be the same too."""
_KNOWN_CONTEXT = 64


class Locator:
    """Looks for a cursor's place in pieces that are fed in the order of the log, without a gap.

    `from_start`: they begin with the first piece that the engine has, not somewhere in the log.
    The cursor must not be at the start of the log.
    """

    def __init__(self, cursor: Cursor, *, from_start: bool) -> None:
        self.fed = 0
        """How many pieces were fed."""
        self._cursor = cursor
        self._from_start = from_start
        self._marks = list(cursor.marks)
        self._numbers = {mark: number for number, mark in enumerate(self._marks)}
        whole = len(self._marks)
        self.enough = min(whole, cursor.run + CONTEXT) if cursor.run_is_whole else whole
        """How many pieces up to the place have to be fed for it to be certain."""
        self._before: deque[int] = deque(maxlen=whole)
        self._run = (b"", 0)
        self._most = 0
        self._known: Cursor | None = None

    def feed(self, pieces: Sequence[bytes]) -> int | None:
        """The index in `pieces` behind the place; None while it was not met. Not to be called once it was."""
        if not pieces:
            return None
        hashes = list(map(hash, pieces))
        for number in [number for number, mark in enumerate(hashes) if mark in self._numbers]:
            if hashes[number] == self._marks[-1]:
                if self._is_place(number, pieces, hashes):
                    return number + 1
            elif self._from_start and not self._most:
                self._note(number, pieces, hashes)
        stamp, run = self._run_until(len(pieces), pieces)
        self._run = (stamp, run)
        self._before.extend(hashes)
        self.fed += len(pieces)
        return None

    def known(self) -> Cursor | None:
        """The place behind the last piece that both the cursor and the engine know; None if there is none.

        Of use where all of the log was fed and the place was not met: the log begins behind some of the
        pieces that the cursor remembers, or it has lost the last ones, as the device lost its power.
        """
        return self._known

    def _is_place(self, number: int, pieces: Sequence[bytes], hashes: list[int]) -> bool:
        overlap = self._overlap(len(self._marks), number, hashes)
        position = self.fed + number + 1
        stamp, run = self._run_until(number + 1, pieces)
        run_is_whole = run < position or self._from_start
        fits = run == self._cursor.run if self._cursor.run_is_whole else run >= self._cursor.run
        if fits and run_is_whole and overlap >= self.enough:
            return True
        if overlap == position and overlap > self._most:
            self._most = overlap
            self._known = self._cursor.behind(self._marks[-overlap:], stamp)
        return False

    def _note(self, number: int, pieces: Sequence[bytes], hashes: list[int]) -> None:
        """Keep that this piece is one that the cursor knows."""
        stop = self._numbers[hashes[number]] + 1
        start = max(0, stop - _KNOWN_CONTEXT)
        overlap = self._overlap(stop, number, hashes, at_most=stop - start)
        self._known = self._cursor.behind(self._marks[stop - overlap : stop], stamp_of(pieces[number]))

    def _overlap(self, stop: int, number: int, hashes: list[int], at_most: int | None = None) -> int:
        """How many of the marks before `stop` are those of the pieces up to `number`."""
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

    def _run_until(self, stop: int, pieces: Sequence[bytes]) -> tuple[bytes, int]:
        """The time of the piece before `stop`, and how many pieces up to it have that time."""
        stamp, run = run_at_end(pieces, stop)
        before, length = self._run
        return stamp, run + length if run == stop and stamp == before else run

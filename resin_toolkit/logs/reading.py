"""One container's log, read from the engine: at first what was asked for, and then from where it was left."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from threading import Lock

from resin_toolkit.engine import Container, Engine, RawStream
from resin_toolkit.logs.cursor import Cursor
from resin_toolkit.logs.locating import Locator
from resin_toolkit.logs.pieces import reader, stamp_of

TAILS = (100, 1_000, 10_000, 100_000)
"""How many of the last pieces the place is looked for in, before all of the log is read."""
SEAM = 1_000
"""How many pieces a stream that follows begins with, to find the place in them."""
_MARKED = 100
_READ = 65536
_SMALL = _READ // 4
_GATHERING = 0.001
"""Seconds in which more of a log gathers, so that reading does not take the processor from an engine that
sends each line by itself."""

Pieces = list[bytes]


class ContainerLog:
    """The log of one container. One thread reads; any other may `stop` it.

    `gone` is told the stamps of the last line that was taken, and of the first that the engine still
    has, where lines between them may be lost; `remark` what the engine itself says of the log.

    What reads raises Unreachable, EngineFailed and ServiceNotFound; it can be gone on with by `rest`.
    """

    def __init__(
        self,
        container: Container,
        *,
        gone: Callable[[ContainerLog, bytes, bytes], None],
        remark: Callable[[ContainerLog, str], None],
    ) -> None:
        self.container = container
        self.cursor = Cursor()
        self.stopped = False
        self._tty: bool | None = None
        self._gone = gone
        self._remark = remark
        self._is_short = False
        self._known: Cursor | None = None
        self._lost_after = b""
        self._stream: RawStream | None = None
        self._lock = Lock()

    def first(self, engine: Engine, *, tail: str, since: str, until: str) -> Iterator[Pieces]:
        """What was asked for of the log as it is now."""
        if since or tail == "0":
            # So that there is a place to go on from even if nothing is as new as that.
            for pieces in self._pieces(engine, tail=str(_MARKED)):
                self.cursor.advance(pieces)
        if tail == "0":
            return
        is_first = True
        for pieces in self._pieces(engine, tail=tail, since=since, until=until):
            if is_first:
                self.cursor, is_first = Cursor(), False
            yield self._taken(pieces)

    def rest(self, engine: Engine) -> Iterator[Pieces]:
        """All that the engine has behind what was taken."""
        self._is_short = False
        if not self.cursor.at_start:
            for tail in TAILS:
                if (yield from self._behind(engine, self.cursor, tail)):
                    return
                if self._is_short:
                    break
            if (yield from self._behind_known(engine)):
                return
        self._lost_after = self._lost_after or self.cursor.stamp
        self.cursor = Cursor()
        for pieces in self._pieces(engine):
            yield self._taken(pieces)

    def followed(self, engine: Engine) -> Iterator[Pieces]:
        """What comes behind what was taken, as it comes, until the stream ends.

        It ends early where the place is too far back; `rest` has to be called before, and then again.
        """
        if self.cursor.at_start:
            for pieces in self._pieces(engine, follow=True):
                yield self._taken(pieces)
            return
        locator = Locator(self.cursor, from_start=self._is_short)
        limit = max(SEAM, 2 * locator.enough)
        found = False
        for pieces in self._pieces(engine, tail="all" if self._is_short else str(limit), follow=True):
            if found:
                yield self._taken(pieces)
                continue
            behind = locator.feed(pieces)
            if behind is None and locator.fed > limit:
                return
            if behind is not None:
                found = True
                if pieces[behind:]:
                    yield self._taken(pieces[behind:])

    def stop(self) -> None:
        """End what is read in another thread."""
        with self._lock:
            self.stopped = True
            stream = self._stream
        if stream is not None:
            stream.close()

    def _behind(self, engine: Engine, place: Cursor, tail: int | None) -> Generator[Pieces, None, bool]:
        """What is behind `place`, looked for in the last pieces; returns whether it was there."""
        locator = Locator(place, from_start=tail is None)
        count = 0
        found = False
        for pieces in self._pieces(engine, tail="all" if tail is None else str(tail)):
            count += len(pieces)
            fresh = pieces
            if not found:
                behind = locator.feed(pieces)
                if behind is None:
                    continue
                found = True
                self.cursor = place
                fresh = pieces[behind:]
            if fresh:
                yield self._taken(fresh)
        self._is_short = count < (tail or SEAM)
        self._known = locator.known()
        return found

    def _behind_known(self, engine: Engine) -> Generator[Pieces, None, bool]:
        """The same, looked for in all of the log, which may have lost its beginning or its end."""
        place = self.cursor
        for _ in range(3):
            if (yield from self._behind(engine, place, None)):
                return True
            if self._known is None:
                break
            place = self._known
        return False

    def _taken(self, pieces: Pieces) -> Pieces:
        self.cursor.advance(pieces)
        if self._lost_after:
            self._gone(self, self._lost_after, stamp_of(pieces[0]))
            self._lost_after = b""
        return pieces

    def _pieces(
        self, engine: Engine, *, follow: bool = False, tail: str = "all", since: str = "", until: str = ""
    ) -> Iterator[Pieces]:
        if self._tty is None:
            self._tty = engine.inspect(self.container.id).tty
        taken = reader(tty=self._tty)
        stream = self._opened(
            engine.logs(self.container.id, follow=follow, tail=tail, since=since, until=until)
        )
        try:
            while data := stream.read(_READ):
                pieces = taken.feed(data)
                if pieces:
                    yield pieces
                if not follow and len(data) < _SMALL:
                    time.sleep(_GATHERING)
                if taken.remarks:
                    self._say(taken.remarks)
            if not follow and not self.stopped and (pieces := taken.end()):
                yield pieces
        finally:
            self._stream = None
            stream.close()

    def _opened(self, stream: RawStream) -> RawStream:
        with self._lock:
            self._stream = stream
            if not self.stopped:
                return stream
        stream.close()
        return stream

    def _say(self, remarks: list[str]) -> None:
        for words in remarks:
            self._remark(self, words)
        remarks.clear()

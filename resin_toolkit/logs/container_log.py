"""One container's log, read from the engine: at first what was asked for, and then from where it was left."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from threading import Lock

from resin_toolkit.engine import Container, Engine, RawStream
from resin_toolkit.errors import EngineFailed
from resin_toolkit.logs.change_notifier import ChangeNotifier
from resin_toolkit.logs.cursor import Cursor
from resin_toolkit.logs.cursor_search import CursorFinder
from resin_toolkit.logs.log_driver import LogDriver, log_driver_of
from resin_toolkit.logs.records import reader, stamp_of

TAILS = (100, 1_000, 10_000, 100_000)
"""How many of the last records the place is looked for in, before all of the log is read."""
SEAM = 1_000
"""How many records a stream that follows begins with, to find the place in them."""
_MARKED = 100
_SILENCE = 5.0
"""Seconds after which a rotating log is read even without a notification: an engine that starts a new file
may stop notifying its followers."""
_READ = 65536
_SMALL = _READ // 4
_GATHERING = 0.001
"""Seconds in which more of a log gathers, so that reading does not take the processor from an engine that
sends each line by itself."""

Records = list[bytes]


class StreamGap(Exception):
    """The engine had something to say about the log, and may have left out the rest of it."""


class ContainerLog:
    """The log of one container. One thread reads; any other may `stop` it.

    `gone` is told the stamps of the last line that was taken, and of the first that the engine still
    has, where lines between them may be lost; `remark` what the engine itself says of the log.

    What reads raises Unreachable, EngineFailed, ServiceNotFound and StreamGap; it can be gone on with by
    `rest`.
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
        self.driver: LogDriver | None = None
        """How the engine keeps it; None until it was read for the first time."""
        self._tty = False
        self._gone = gone
        self._remark = remark
        self._is_short = False
        self._fresh = 0
        """How many records were taken since it was last asked for the rest."""
        self._known: Cursor | None = None
        self._lost_after = b""
        self._streams: set[RawStream] = set()
        self._said: set[str] = set()
        self._lock = Lock()

    def first(self, engine: Engine, *, tail: str, since: str, until: str) -> Iterator[Records]:
        """What was asked for of the log as it is now."""
        self.cursor = Cursor()
        if since or tail == "0":
            # So that there is a place to go on from even if nothing is as new as that.
            for records in self._pieces(engine, tail=str(_MARKED)):
                self.cursor.advance(records)
        if tail == "0":
            return
        is_first = True
        for records in self._pieces(engine, tail=tail, since=since, until=until):
            if is_first:
                self.cursor, is_first = Cursor(), False
            yield self._taken(records)
        self._fresh = 0

    def rest(self, engine: Engine) -> Iterator[Records]:
        """All that the engine has behind what was taken."""
        pace, self._fresh = self._fresh, 0
        self._is_short = False
        if not self.cursor.at_start:
            # Where much comes, what came last time tells how far back the place will be.
            for tail in [each for each in TAILS if each > pace] or TAILS[-1:]:
                if (yield from self._behind(engine, self.cursor, tail)):
                    return
                if self._is_short:
                    break
            if (yield from self._behind_known(engine)):
                return
            # Not what an engine that is shutting down has cut off.
            self.check(engine)
        self._lost_after = self._lost_after or self.cursor.stamp
        self.cursor = Cursor()
        for records in self._pieces(engine):
            yield self._taken(records)

    def followed(self, engine: Engine) -> Iterator[Records]:
        """What comes behind what was taken, as it comes, until the stream ends.

        It ends early where the place is too far back; `rest` has to be called before, and then again.
        """
        if self._kept(engine).rotates:
            yield from self._at_each_stroke(engine)
            return
        if self.cursor.at_start:
            for records in self._pieces(engine, follow=True):
                yield self._taken(records)
            return
        locator = CursorFinder(self.cursor, from_start=self._is_short)
        limit = max(SEAM, 2 * locator.enough)
        found = False
        for records in self._pieces(engine, tail="all" if self._is_short else str(limit), follow=True):
            if found:
                yield self._taken(records)
                continue
            behind = locator.feed(records)
            if behind is None and locator.fed > limit:
                return
            if behind is not None:
                found = True
                if records[behind:]:
                    yield self._taken(records[behind:])

    def stop(self) -> None:
        """End what is read in another thread."""
        with self._lock:
            self.stopped = True
            streams = list(self._streams)
        for stream in streams:
            stream.close()

    def check(self, engine: Engine) -> None:
        """Raise Unreachable where the engine has ended what was read, as one does that shuts down in order:
        it cuts off logs as if they were complete, but by then it takes no new connection."""
        if not self.stopped:
            engine.logs(self.container.id, tail="1").close()

    def _at_each_stroke(self, engine: Engine) -> Iterator[Records]:
        """What comes, read anew whenever there is something: what is read to its end is whole, and what is
        missing between two readings is found out."""
        stream = self._opened(engine.logs(self.container.id, follow=True, tail="1"))
        notifier = ChangeNotifier(stream)
        try:
            while notifier.wait(_SILENCE) and not self.stopped:
                yield from self.rest(engine)
        finally:
            notifier.close()
            self._over(stream)

    def _kept(self, engine: Engine) -> LogDriver:
        if self.driver is None:
            details = engine.inspect(self.container.id)
            self._tty, self.driver = details.tty, log_driver_of(details)
        return self.driver

    def _behind(self, engine: Engine, place: Cursor, tail: int | None) -> Generator[Records, None, bool]:
        """What is behind `place`, looked for in the last records; returns whether it was there."""
        locator = CursorFinder(place, from_start=tail is None)
        count = 0
        found = False
        for records in self._pieces(engine, tail="all" if tail is None else str(tail)):
            count += len(records)
            fresh = records
            if not found:
                behind = locator.feed(records)
                if behind is None:
                    continue
                found = True
                self.cursor = place
                fresh = records[behind:]
            if fresh:
                yield self._taken(fresh)
        self._is_short = count < (tail or SEAM)
        self._known = locator.known()
        return found

    def _behind_known(self, engine: Engine) -> Generator[Records, None, bool]:
        """The same, looked for in all of the log, which may have lost its beginning or its end."""
        place = self.cursor
        for _ in range(3):
            if (yield from self._behind(engine, place, None)):
                return True
            if self._known is None:
                break
            place = self._known
        return False

    def _taken(self, records: Records) -> Records:
        self.cursor.advance(records)
        self._fresh += len(records)
        if self._lost_after:
            self._gone(self, self._lost_after, stamp_of(records[0]))
            self._lost_after = b""
        return records

    def _pieces(
        self, engine: Engine, *, follow: bool = False, tail: str = "all", since: str = "", until: str = ""
    ) -> Iterator[Records]:
        driver = self._kept(engine)
        taken = reader(tty=self._tty)
        try:
            answer = engine.logs(self.container.id, follow=follow, tail=tail, since=since, until=until)
        except EngineFailed as error:
            raise error if driver.readable else _unreadable(driver, error) from error
        stream = self._opened(answer)
        try:
            while data := stream.read(_READ):
                records = taken.feed(data)
                if records:
                    yield records
                if not follow and len(data) < _SMALL:
                    time.sleep(_GATHERING)
            if not (follow or self.stopped or taken.remarks) and (records := taken.end()):
                yield records
        finally:
            self._over(stream)
            stream.close()
        if taken.remarks and not self.stopped:
            self._say(taken.remarks)
            raise StreamGap

    def _opened(self, stream: RawStream) -> RawStream:
        with self._lock:
            self._streams.add(stream)
            if not self.stopped:
                return stream
        stream.close()
        return stream

    def _over(self, stream: RawStream) -> None:
        with self._lock:
            self._streams.discard(stream)

    def _say(self, remarks: list[str]) -> None:
        for words in remarks:
            if words not in self._said:
                self._said.add(words)
                self._remark(self, words)


def _unreadable(driver: LogDriver, error: EngineFailed) -> EngineFailed:
    return EngineFailed(
        f"The log driver {driver.driver} gives no lines back.",
        hint=f"{error.message} With `json-file`, `local` or `journald` they can be read.",
    )

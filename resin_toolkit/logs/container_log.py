"""Reading the log of one container: first the requested part, then, any number of times, what is new."""

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
from resin_toolkit.logs.read_limits import SEARCH_SILENCE, SILENCE, ReadLimits
from resin_toolkit.logs.records import record_reader, stamp_of

TAILS = (100, 1_000, 10_000, 100_000)
"""The numbers of last records that are searched for the cursor's position, before the whole log is read."""
OVERLAP = 1_000
"""How many records a followed stream starts with, to find the cursor's position in them."""
_MARKED = 100
"""Records that are read, without showing them, to set the cursor."""
_MAX_SILENCE = 5.0
"""Seconds after which a rotating log is read even without a notification: an engine that starts a new file
may stop notifying its followers."""
_MAX_REPORTED = 100
"""Messages of the engine that are reported; each only once."""
_READ_SIZE = 65536
_SMALL_READ = _READ_SIZE // 4
_BATCH_SECONDS = 0.001
"""Pause after a small read, in which more lines accumulate, so that reading does not take the processor from
an engine that sends each line separately."""

Records = list[bytes]


class StreamGap(Exception):
    """The engine reported an error within the log, and may have omitted the rest of it."""


class ContainerLog:
    """The log of one container. One thread reads; any other may `stop` it.

    If lines may be lost, `on_gap` is called with the timestamps of the last line that was read and of the
    first that the engine still has. `on_message` is called with messages of the engine about the log.

    Reading raises Unreachable, EngineFailed, ServiceNotFound and StreamGap; `read_new` resumes it.
    """

    def __init__(
        self,
        container: Container,
        *,
        on_gap: Callable[[ContainerLog, bytes, bytes], None],
        on_message: Callable[[ContainerLog, str], None],
    ) -> None:
        self.container = container
        self.cursor = Cursor()
        self.stopped = False
        self.driver: LogDriver | None = None
        """None before the first read."""
        self._tty = False
        self._on_gap = on_gap
        self._on_message = on_message
        self._has_little = False
        self._new_count = 0
        """How many records were read since the last `read_new`."""
        self._last_known: Cursor | None = None
        self._gap_after = b""
        self._streams: set[RawStream] = set()
        self._reported: set[str] = set()
        self._lock = Lock()

    def read_initial(self, engine: Engine, *, tail: str, since: str, until: str) -> Iterator[Records]:
        """Read the requested part of the log as it is now."""
        self.cursor = Cursor()
        if since or tail == "0":
            # Sets the cursor even if no record is that new.
            for records in self._read(engine, tail=str(_MARKED)):
                self.cursor.advance(records)
        if tail == "0":
            return
        is_first = True
        for records in self._read(engine, tail=tail, since=since, until=until):
            if is_first:
                self.cursor, is_first = Cursor(), False
            yield self._advance(records)
        self._new_count = 0

    def read_new(self, engine: Engine) -> Iterator[Records]:
        """Read all records after the cursor."""
        previous_count, self._new_count = self._new_count, 0
        self._has_little = False
        if not self.cursor.at_start:
            # On a busy log, the number of records of the last time shows how far back the position will be.
            for tail in [each for each in TAILS if each > previous_count] or TAILS[-1:]:
                if (yield from self._read_after(engine, self.cursor, tail)):
                    return
                if self._has_little:
                    break
            if (yield from self._read_after_last_known(engine)):
                return
            # An engine that is shutting down may have cut the log off.
            self.check(engine)
        self._gap_after = self._gap_after or self.cursor.stamp
        self.cursor = Cursor()
        for records in self._read(engine):
            yield self._advance(records)

    def follow(self, engine: Engine) -> Iterator[Records]:
        """Read records after the cursor as they are written, until the stream ends.

        Call `read_new` before, and again afterwards: the stream ends early if the position is too far back.
        """
        if self._log_driver(engine).rotates:
            yield from self._read_on_change(engine)
            return
        if self.cursor.at_start:
            for records in self._read(engine, follow=True):
                yield self._advance(records)
            return
        finder = CursorFinder(self.cursor, from_start=self._has_little)
        limit = max(OVERLAP, 2 * finder.enough)
        found = False
        for records in self._read(engine, tail="all" if self._has_little else str(limit), follow=True):
            if found:
                yield self._advance(records)
                continue
            index = finder.feed(records)
            if index is None and finder.fed > limit:
                return
            if index is not None:
                found = True
                if records[index:]:
                    yield self._advance(records[index:])

    def stop(self) -> None:
        """End a read in another thread."""
        with self._lock:
            self.stopped = True
            streams = list(self._streams)
        for stream in streams:
            stream.close()

    def check(self, engine: Engine) -> None:
        """Raise Unreachable if the engine is shutting down.

        Such an engine ends a log stream as if it were complete, but accepts no new connection by then.
        """
        if not self.stopped:
            engine.logs(self.container.id, tail="1").close()

    def _read_on_change(self, engine: Engine) -> Iterator[Records]:
        """Read the log again whenever the engine signals new data.

        A log that is not followed is complete up to its end, and gaps between two reads are detected.
        """
        stream = self._register(engine.logs(self.container.id, follow=True, tail="1"))
        notifier = ChangeNotifier(stream)
        try:
            while notifier.wait(_MAX_SILENCE) and not self.stopped:
                yield from self.read_new(engine)
        finally:
            notifier.close()
            self._unregister(stream)

    def _log_driver(self, engine: Engine) -> LogDriver:
        if self.driver is None:
            details = engine.inspect(self.container.id)
            self._tty, self.driver = details.tty, log_driver_of(details)
        return self.driver

    def _read_after(
        self, engine: Engine, position: Cursor, tail: int | None
    ) -> Generator[Records, None, bool]:
        """Read the records after `position`, if that is in the last `tail`. Returns whether it was found."""
        finder = CursorFinder(position, from_start=tail is None)
        count = 0
        found = False
        for records in self._read(engine, tail="all" if tail is None else str(tail)):
            count += len(records)
            new = records
            if not found:
                index = finder.feed(records)
                if index is None:
                    continue
                found = True
                self.cursor = position
                new = records[index:]
            if new:
                yield self._advance(new)
        self._has_little = count < (tail or OVERLAP)
        self._last_known = finder.known()
        return found

    def _read_after_last_known(self, engine: Engine) -> Generator[Records, None, bool]:
        """Read the records after the last one that is still in the log, which may have lost its start or end.

        Returns whether one was found.
        """
        position = self.cursor
        for _ in range(3):
            if (yield from self._read_after(engine, position, None)):
                return True
            if self._last_known is None:
                break
            position = self._last_known
        return False

    def _advance(self, records: Records) -> Records:
        self.cursor.advance(records)
        self._new_count += len(records)
        if self._gap_after:
            self._on_gap(self, self._gap_after, stamp_of(records[0]))
            self._gap_after = b""
        return records

    def _read(
        self, engine: Engine, *, follow: bool = False, tail: str = "all", since: str = "", until: str = ""
    ) -> Iterator[Records]:
        driver = self._log_driver(engine)
        reader = record_reader(tty=self._tty)
        silence = SEARCH_SILENCE if since or driver.driver == "journald" else SILENCE
        limits = None if follow else ReadLimits(engine.host, self.container.service, silence)
        try:
            answer = engine.logs(
                self.container.id,
                follow=follow,
                tail=tail,
                since=since,
                until=until,
                silence=None if follow else silence,
            )
        except EngineFailed as error:
            raise error if driver.readable else _unreadable(driver, error) from error
        stream = self._register(answer)
        try:
            while data := (limits.read(stream.read, _READ_SIZE) if limits else stream.read(_READ_SIZE)):
                records = reader.feed(data)
                if records:
                    if limits:
                        limits.check_times(records)
                    yield records
                if not follow and len(data) < _SMALL_READ:
                    time.sleep(_BATCH_SECONDS)
            if not (follow or self.stopped or reader.messages) and (records := reader.end()):
                yield records
        finally:
            self._unregister(stream)
            stream.close()
        if reader.messages and not self.stopped:
            self._report_messages(reader.messages)
            raise StreamGap

    def _register(self, stream: RawStream) -> RawStream:
        with self._lock:
            self._streams.add(stream)
            if not self.stopped:
                return stream
        stream.close()
        return stream

    def _unregister(self, stream: RawStream) -> None:
        with self._lock:
            self._streams.discard(stream)

    def _report_messages(self, messages: list[str]) -> None:
        for message in messages:
            if message not in self._reported and len(self._reported) < _MAX_REPORTED:
                self._reported.add(message)
                self._on_message(self, message)


def _unreadable(driver: LogDriver, error: EngineFailed) -> EngineFailed:
    return EngineFailed(
        f"The log driver {driver.driver} does not support reading.",
        hint=f"{error.message} Logs of `json-file`, `local` and `journald` can be read.",
    )

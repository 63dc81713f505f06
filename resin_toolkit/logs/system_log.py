"""The journal of a device's system beside the logs of its containers, whatever happens to the way there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event

from resin_toolkit.device.address import Address
from resin_toolkit.errors import DeviceAmbiguous, DeviceNotFound, ResinError, Unreachable
from resin_toolkit.logs.journal import SERVICE, Journal, JournalQuery
from resin_toolkit.logs.lines import Line
from resin_toolkit.logs.merge import TimedLines
from resin_toolkit.logs.query import LogQuery
from resin_toolkit.logs.rendering import LogFormat, Renderer, ServiceLabels
from resin_toolkit.logs.worker_threads import WorkerThreads
from resin_toolkit.logs.writer import LogWriter
from resin_toolkit.reach.reconnecting_engine import FIRST_PAUSE, LONGEST_PAUSE, ConnectionClosed


class SystemLog:
    """Shows a journal. Call `begin`, then `present`, then `follow`; `stop` ends its thread."""

    def __init__(self, journal: Journal, query: LogQuery, writer: LogWriter) -> None:
        self._journal = journal
        self._span = JournalQuery(query.tail, query.since, query.until)
        self._writer = writer
        self._closed = Event()
        self._workers = WorkerThreads(writer.fail)

    def begin(
        self,
        view: LogFormat,
        labels: ServiceLabels,
        lost: Callable[[ResinError], None],
        back: Callable[[float], None],
        patience: float | None,
    ) -> None:
        """How it is shown; who is told when the connection is lost and back; seconds to wait for it."""
        self._renderer = Renderer(view, labels, SERVICE, None)
        self._lost = lost
        self._back = back
        self._patience = patience

    def present(self) -> TimedLines:
        """What was asked for of the journal as it is now."""
        for lines in self._kept_up(self._journal.first(self._span), follow=False):
            for line in lines:
                yield line, self._renderer

    def follow(self) -> None:
        """Begin to put what comes."""
        self._workers.start("journal", self._follow)

    def stop(self) -> None:
        self._closed.set()
        self._journal.stop()
        self._workers.join(1.0)

    def _follow(self) -> None:
        for lines in self._kept_up(self._journal.rest(follow=True), follow=True):
            self._writer.put(self._renderer.lines(lines))

    def _kept_up(self, parts: Iterator[list[Line]], *, follow: bool) -> Iterator[list[Line]]:
        """Lines over as many connections as it takes, `parts` first."""
        since: float | None = None
        pause = FIRST_PAUSE
        while True:
            try:
                for lines in parts:
                    if since is not None:
                        self._back(time.monotonic() - since)
                        since, pause = None, FIRST_PAUSE
                    yield lines
                if not follow:
                    return
            except (Unreachable, DeviceNotFound) as error:
                if self._closed.is_set():
                    raise ConnectionClosed from None
                if since is None:
                    since = time.monotonic()
                    self._lost(error)
                elif self._patience is not None and time.monotonic() - since > self._patience:
                    raise
            if self._closed.wait(pause):
                raise ConnectionClosed
            pause = min(2 * pause, LONGEST_PAUSE)
            if since is not None:
                self._look_again()
            parts = self._journal.rest(follow=follow)

    def _look_again(self) -> None:
        from resin_toolkit.reach.resolver import resolve_device

        device = self._journal.device
        try:
            found = resolve_device(Address(device.host))
        except (DeviceAmbiguous, DeviceNotFound):
            return
        self._journal.device = replace(device, addresses=found.addresses)

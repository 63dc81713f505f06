"""Showing and following the system journal, beside the logs of containers, across lost connections."""

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
    """Shows a journal. Call `configure`, `read_existing`, then `follow`; `stop` ends the thread."""

    def __init__(self, journal: Journal, query: LogQuery, writer: LogWriter) -> None:
        self._journal = journal
        self._query = JournalQuery(query.tail, query.since, query.until)
        self._writer = writer
        self._closed = Event()
        self._workers = WorkerThreads(writer.fail)

    def configure(
        self,
        view: LogFormat,
        labels: ServiceLabels,
        on_lost: Callable[[ResinError], None],
        on_back: Callable[[float], None],
        patience: float | None,
    ) -> None:
        """Set the format, the callbacks for a lost and a restored connection, and how long to wait for it."""
        self._renderer = Renderer(view, labels, SERVICE, None)
        self._on_lost = on_lost
        self._on_back = on_back
        self._patience = patience

    def read_existing(self) -> TimedLines:
        """Read the requested part of the journal as it is now."""
        for lines in self._reconnecting(self._journal.read_initial(self._query), follow=False):
            for line in lines:
                yield line, self._renderer

    def follow(self) -> None:
        """Start writing new entries, in a thread."""
        self._workers.start("journal", self._follow)

    def stop(self) -> None:
        self._closed.set()
        self._journal.stop()
        self._workers.join(1.0)

    def _follow(self) -> None:
        for lines in self._reconnecting(self._journal.read_new(follow=True), follow=True):
            self._writer.put(self._renderer.render(lines))

    def _reconnecting(self, parts: Iterator[list[Line]], *, follow: bool) -> Iterator[list[Line]]:
        """Yield the lines of `parts`, then, after each reconnection, the new lines."""
        since: float | None = None
        pause = FIRST_PAUSE
        while True:
            try:
                for lines in parts:
                    if since is not None:
                        self._on_back(time.monotonic() - since)
                        since, pause = None, FIRST_PAUSE
                    yield lines
                if not follow:
                    return
            except (Unreachable, DeviceNotFound) as error:
                if self._closed.is_set():
                    raise ConnectionClosed from None
                if self._patience is not None and error.facts.get("cause") == "no-answer":
                    raise
                if since is None:
                    since = time.monotonic()
                    self._on_lost(error)
                elif self._patience is not None and time.monotonic() - since > self._patience:
                    raise
            if self._closed.wait(pause):
                raise ConnectionClosed
            pause = min(2 * pause, LONGEST_PAUSE)
            if since is not None:
                self._resolve_again()
            parts = self._journal.read_new(follow=follow)

    def _resolve_again(self) -> None:
        from resin_toolkit.reach.resolver import resolve_device

        device = self._journal.device
        try:
            found = resolve_device(Address(device.host), ssh_port=device.ssh_port, host_key=device.host_key)
        except (DeviceAmbiguous, DeviceNotFound):
            return
        self._journal.device = replace(device, addresses=found.addresses)

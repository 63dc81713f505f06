"""The logs of a device's containers: what is there, then what comes, whatever breaks meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

from resin_toolkit.engine import Container, Engine, RawStream
from resin_toolkit.errors import EngineFailed, ServiceNotFound, Unreachable
from resin_toolkit.logs.container_events import started_containers
from resin_toolkit.logs.container_log import ContainerLog, Records, StreamGap
from resin_toolkit.logs.merge import TimedLines, write_merged
from resin_toolkit.logs.query import LogListener, LogQuery
from resin_toolkit.logs.rendering import LogFormat, Renderer, ServiceLabels
from resin_toolkit.logs.worker_threads import WorkerThreads
from resin_toolkit.logs.writer import LogWriter
from resin_toolkit.reach.reconnecting_engine import ConnectionClosed, ReconnectingEngine

_PAUSE = 0.2
_ATTEMPTS = 5
"""How often a log that is not followed is gone on with where the engine falters."""
_MANY = 10_000
"""The lines from which on it is told that some may have been dropped: what journald lets through at once."""


@dataclass
class _Followed:
    log: ContainerLog
    renderer: Renderer
    active: bool = False
    again: bool = False
    unreadable: bool = False
    """Whether it was told that it is."""


class LogFollower:
    """The logs of the containers of one device. `writer` gets the lines, `listener` the events beside them.

    Call `show` first, then `follow`, which starts threads and returns; `stop` ends them.
    """

    def __init__(
        self,
        link: ReconnectingEngine,
        query: LogQuery,
        view: LogFormat,
        labels: ServiceLabels,
        writer: LogWriter,
        listener: LogListener,
    ) -> None:
        self._link = link
        self._query = query
        self._view = view
        self._labels = labels
        self._writer = writer
        self._telling = listener
        self._logs: dict[str, _Followed] = {}
        self._lock = Lock()
        self._workers = WorkerThreads(writer.fail)
        self._news: RawStream | None = None
        self._told: set[str] = set()
        """The services of which it was told that lines may be missing."""

    @property
    def containers(self) -> list[Container]:
        return [each.log.container for each in self._logs.values()]

    def choose(self) -> None:
        """Select the containers of the query. Raises ServiceNotFound if a named one does not exist."""
        found = self._asked(lambda engine: engine.containers(all=True))
        chosen = [container for container in found if self._query.takes(container)]
        missing = self._query.services - {
            name for c in chosen for name in (c.service, c.name, c.id, c.id[:12])
        }
        if missing:
            names = ", ".join(sorted({container.service for container in found}))
            raise ServiceNotFound(
                f"No container is called {', '.join(sorted(missing))}.",
                hint=f"There are: {names}." if names else "The device has no containers.",
            )
        for container in sorted(chosen, key=lambda c: (c.service, c.created)):
            self._add(container)

    def show(self, others: Sequence[TimedLines] = ()) -> None:
        """Write what there is now, and in `others`, in the order of time; from the thread of the writer."""
        followed = list(self._logs.values())
        if len(followed) == 1 and not others:
            for records in self._present(followed[0]):
                self._writer.write(followed[0].renderer.records(records))
        else:
            write_merged(self._writer, [*(self._timed(each) for each in followed), *others])

    def show_ends(self) -> None:
        """Write the lines that have no end: of those no more will come."""
        for each in self._logs.values():
            self._writer.write(each.renderer.lines(each.renderer.rest()))

    def follow(self) -> None:
        """Begin to put what comes, of these containers and of those that start later."""
        self._tell_of_drops(list(self._logs.values()))
        for identity in list(self._logs):
            self._begin(identity)
        self._workers.start("events of the engine", self._watch)

    def stop(self) -> None:
        """End all threads; the link and the writer have to be closed before."""
        with self._lock:
            logs = [each.log for each in self._logs.values()]
            news = self._news
        for log in logs:
            log.stop()
        if news is not None:
            news.close()
        self._workers.join(1.0)

    # one after the other

    def _present(self, followed: _Followed) -> Iterator[Records]:
        """What was asked for of one log, over as many connections as it takes."""
        log, query = followed.log, self._query
        taken = faltered = 0
        while True:
            engine, number = self._link.engine()
            try:
                first = log.first(engine, tail=query.tail, since=query.since, until=query.until)
                for records in log.rest(engine) if taken else first:
                    taken += len(records)
                    yield records
                log.check(engine)
                break
            except ServiceNotFound:
                self._telling.removed(log.container, log.cursor.stamp)
                return
            except EngineFailed as error:
                if len(self._logs) == 1:
                    raise
                self._tell_unreadable(followed, error)
                return
            except StreamGap:
                faltered += 1
                if faltered == _ATTEMPTS:
                    return
                self._link.pause(_PAUSE)
            except Unreachable as error:
                self._link.again(number, error)
        if taken >= _MANY:
            self._tell_of_drops([followed])

    def _timed(self, followed: _Followed) -> TimedLines:
        renderer = followed.renderer
        for records in self._present(followed):
            for line in renderer.made(records):
                yield line, renderer

    def _tell_of_drops(self, logs: Sequence[_Followed]) -> None:
        """Say, once for each service, of which of them lines may be missing."""
        said: dict[str, list[str]] = {}
        with self._lock:
            for each in logs:
                service, driver = each.log.container.service, each.log.driver
                if driver is not None and driver.may_drop and service not in self._told:
                    self._told.add(service)
                    said.setdefault(driver.may_drop, []).append(service)
        for why, services in said.items():
            self._telling.may_drop(services, why)

    def _tell_unreadable(self, followed: _Followed, error: EngineFailed) -> None:
        if not followed.unreadable:
            followed.unreadable = True
            self._telling.unreadable(followed.log.container, error)

    # all at once

    def _begin(self, identity: str) -> None:
        with self._lock:
            followed = self._logs[identity]
            followed.again = True
            if followed.active:
                return
            followed.active = True
        self._workers.start(f"log of {followed.log.container.name}", lambda: self._follow(followed))

    def _follow(self, followed: _Followed) -> None:
        """Put what one log has and gets, for as long as its container runs."""
        while True:
            with self._lock:
                followed.again = False
            try:
                runs = self._followed_once(followed)
            except ServiceNotFound:
                self._telling.removed(followed.log.container, followed.log.cursor.stamp)
                runs = False
            except EngineFailed as error:
                self._tell_unreadable(followed, error)
                runs = False
            with self._lock:
                if not runs and not followed.again:
                    followed.active = False
                    break
            self._link.pause(_PAUSE / 4)
        self._writer.put(followed.renderer.lines(followed.renderer.rest()))

    def _followed_once(self, followed: _Followed) -> bool:
        """Over one connection; whether the container still runs."""
        log = followed.log
        engine, number = self._link.engine()
        try:
            runs = engine.inspect(log.container.id).running
            for records in log.rest(engine):
                self._writer.put(followed.renderer.records(records))
            self._tell_of_drops([followed])
            if runs:
                for records in log.followed(engine):
                    self._writer.put(followed.renderer.records(records))
        except Unreachable as error:
            if self._link.closed:
                raise ConnectionClosed from None
            self._link.again(number, error)
            return True
        except StreamGap:
            self._link.pause(_PAUSE)
            return True
        if self._link.closed:
            raise ConnectionClosed
        return runs

    def _watch(self) -> None:
        """Follow each container as it starts."""
        while True:
            engine, number = self._link.engine()
            try:
                with engine.events(filters={"event": ["start"]}) as news:
                    self._news = news
                    if self._link.closed:
                        raise ConnectionClosed
                    # Any of them may have come, and ended again, while nobody was told.
                    self._begin_those(engine.containers(all=True))
                    for started in started_containers(iter(lambda: news.read(65536), b"")):
                        self._begin_started(engine, started)
            except Unreachable as error:
                if self._link.closed:
                    raise ConnectionClosed from None
                self._link.again(number, error)
            self._link.pause(_PAUSE)

    def _begin_started(self, engine: Engine, started: Sequence[Container]) -> None:
        """Those that the engine has told of, and which may have ended since, or be gone."""
        there = engine.containers(all=True)
        news = {container.id for container in started}
        self._begin_those([each for each in there if each.id in news or each.state == "running"])
        for container in started:
            if container.id not in self._logs and self._query.takes(container):
                self._telling.removed(container, b"")

    def _begin_those(self, containers: Sequence[Container]) -> None:
        for container in containers:
            if self._query.takes(container):
                if container.id not in self._logs:
                    self._add(container)
                self._begin(container.id)

    def _add(self, container: Container) -> None:
        log = ContainerLog(container, gone=self._telling.gone, remark=self._telling.remark)
        renderer = Renderer(self._view, self._labels, container.service, container.name)
        with self._lock:
            self._logs[container.id] = _Followed(log, renderer)
        self._link.containers.add(container.id)

    def _asked(self, question: Callable[[Engine], list[Container]]) -> list[Container]:
        while True:
            engine, number = self._link.engine()
            try:
                return question(engine)
            except Unreachable as error:
                self._link.again(number, error)

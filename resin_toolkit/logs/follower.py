"""Showing and following the logs of a device's containers, across lost connections."""

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
_MAX_GAPS = 5
"""How often reading a log that is not followed is resumed after an error of the engine."""
MAX_CONTAINERS = 200
"""Containers whose logs are read at the same time."""
_BURST = 10_000
"""The number of lines from which a warning says that some may be missing: journald's default limit."""


@dataclass
class _Followed:
    log: ContainerLog
    renderer: Renderer
    active: bool = False
    start_again: bool = False
    unreadable: bool = False
    """Whether it was reported as unreadable."""


class LogFollower:
    """Shows and follows the logs of the containers of one device.

    Call `select`, then `show_existing`, then `follow`, which starts threads and returns; `stop` ends them.
    """

    def __init__(
        self,
        connection: ReconnectingEngine,
        query: LogQuery,
        view: LogFormat,
        labels: ServiceLabels,
        writer: LogWriter,
        listener: LogListener,
    ) -> None:
        self._connection = connection
        self._query = query
        self._view = view
        self._labels = labels
        self._writer = writer
        self._listener = listener
        self._logs: dict[str, _Followed] = {}
        self._lock = Lock()
        self._workers = WorkerThreads(writer.fail)
        self._events: RawStream | None = None
        self._reported_drops: set[str] = set()
        """The services for which it was reported that lines may be missing."""

    @property
    def containers(self) -> list[Container]:
        return [each.log.container for each in self._logs.values()]

    def select(self) -> None:
        """Select the containers of the query. Raises ServiceNotFound if a named one does not exist."""
        found = self._retry(lambda engine: engine.containers(all=True))
        chosen = [container for container in found if self._query.matches(container)]
        missing = self._query.services - {
            name for c in chosen for name in (c.service, c.name, c.id, c.id[:12])
        }
        if missing:
            names = ", ".join(sorted({container.service for container in found}))
            raise ServiceNotFound(
                f"No such service or container: {', '.join(sorted(missing))}.",
                hint=f"The device has: {names}." if names else "The device has no containers.",
            )
        if len(chosen) > MAX_CONTAINERS:
            raise _too_many(len(chosen))
        for container in sorted(chosen, key=lambda c: (c.service, c.created)):
            self._add(container)

    def show_existing(self, others: Sequence[TimedLines] = ()) -> None:
        """Write the existing lines and those of `others`, by time; call it in the writer's thread."""
        followed = list(self._logs.values())
        if len(followed) == 1 and not others:
            for records in self._read_existing(followed[0]):
                self._writer.write(followed[0].renderer.render_records(records))
        else:
            write_merged(self._writer, [*(self._timed_lines(each) for each in followed), *others])

    def flush(self) -> None:
        """Write the incomplete lines, which will not be continued."""
        for each in self._logs.values():
            self._writer.write(each.renderer.render(each.renderer.flush()))

    def follow(self) -> None:
        """Start writing new lines, of these containers and of those that start later."""
        self._report_drops(list(self._logs.values()))
        for identity in list(self._logs):
            self._start(identity)
        self._workers.start("engine events", self._watch)

    def stop(self) -> None:
        """End all threads; the connection and the writer must be closed before."""
        with self._lock:
            logs = [each.log for each in self._logs.values()]
            events = self._events
        for log in logs:
            log.stop()
        if events is not None:
            events.close()
        self._workers.join(1.0)

    # existing lines, in the writer's thread
    def _read_existing(self, followed: _Followed) -> Iterator[Records]:
        """Read the requested part of one log, reconnecting as often as needed."""
        log, query = followed.log, self._query
        count = gaps = 0
        while True:
            engine, number = self._connection.engine()
            try:
                initial = log.read_initial(engine, tail=query.tail, since=query.since, until=query.until)
                for records in log.read_new(engine) if count else initial:
                    count += len(records)
                    self._connection.progress()
                    yield records
                log.check(engine)
                break
            except ServiceNotFound:
                self._listener.removed(log.container, log.cursor.stamp)
                return
            except EngineFailed as error:
                if len(self._logs) == 1:
                    raise
                self._report_unreadable(followed, error)
                return
            except StreamGap:
                gaps += 1
                if gaps == _MAX_GAPS:
                    return
                self._connection.pause(_PAUSE)
            except Unreachable as error:
                self._connection.reconnect(number, error)
        if count >= _BURST:
            self._report_drops([followed])

    def _timed_lines(self, followed: _Followed) -> TimedLines:
        renderer = followed.renderer
        for records in self._read_existing(followed):
            for line in renderer.assemble(records):
                yield line, renderer

    def _report_drops(self, logs: Sequence[_Followed]) -> None:
        """Report, once for each service, that lines may be missing."""
        reasons: dict[str, list[str]] = {}
        with self._lock:
            for each in logs:
                service, driver = each.log.container.service, each.log.driver
                if driver is not None and driver.may_drop and service not in self._reported_drops:
                    self._reported_drops.add(service)
                    reasons.setdefault(driver.may_drop, []).append(service)
        for reason, services in reasons.items():
            self._listener.may_drop(services, reason)

    def _report_unreadable(self, followed: _Followed, error: EngineFailed) -> None:
        if not followed.unreadable:
            followed.unreadable = True
            self._listener.unreadable(followed.log.container, error)

    # new lines, in a thread for each log
    def _start(self, identity: str) -> None:
        with self._lock:
            followed = self._logs[identity]
            followed.start_again = True
            if followed.active:
                return
            followed.active = True
        self._workers.start(f"log of {followed.log.container.name}", lambda: self._follow(followed))

    def _follow(self, followed: _Followed) -> None:
        """Write the lines of one log while its container runs."""
        while True:
            with self._lock:
                followed.start_again = False
            try:
                runs = self._follow_once(followed)
            except ServiceNotFound:
                self._listener.removed(followed.log.container, followed.log.cursor.stamp)
                runs = False
            except EngineFailed as error:
                self._report_unreadable(followed, error)
                runs = False
            with self._lock:
                if not runs and not followed.start_again:
                    followed.active = False
                    break
            self._connection.pause(_PAUSE / 4)
        self._writer.put(followed.renderer.render(followed.renderer.flush()))

    def _follow_once(self, followed: _Followed) -> bool:
        """Follow a log over one connection. Returns whether the container still runs."""
        log = followed.log
        engine, number = self._connection.engine()
        try:
            runs = engine.inspect(log.container.id).running
            for records in log.read_new(engine):
                self._writer.put(followed.renderer.render_records(records))
            self._report_drops([followed])
            if runs:
                for records in log.follow(engine):
                    self._writer.put(followed.renderer.render_records(records))
        except Unreachable as error:
            if self._connection.closed:
                raise ConnectionClosed from None
            self._connection.reconnect(number, error)
            return True
        except StreamGap:
            self._connection.pause(_PAUSE)
            return True
        if self._connection.closed:
            raise ConnectionClosed
        return runs

    def _watch(self) -> None:
        """Follow each container as it starts."""
        while True:
            engine, number = self._connection.engine()
            try:
                with engine.events(filters={"event": ["start"]}) as events:
                    self._events = events
                    if self._connection.closed:
                        raise ConnectionClosed
                    # A container may have started, and ended again, while there was no connection.
                    self._follow_matching(engine.containers(all=True))
                    for started in started_containers(iter(lambda: events.read(65536), b"")):
                        self._follow_started(engine, started)
            except Unreachable as error:
                if self._connection.closed:
                    raise ConnectionClosed from None
                self._connection.reconnect(number, error)
            self._connection.pause(_PAUSE)

    def _follow_started(self, engine: Engine, started: Sequence[Container]) -> None:
        """Follow the containers of an event, which may have ended or been removed since."""
        existing = engine.containers(all=True)
        identities = {container.id for container in started}
        self._follow_matching([c for c in existing if c.id in identities or c.state == "running"])
        for container in started:
            if container.id not in self._logs and self._query.matches(container):
                self._listener.removed(container, b"")

    def _follow_matching(self, containers: Sequence[Container]) -> None:
        for container in containers:
            if self._query.matches(container):
                if container.id not in self._logs:
                    self._add(container)
                self._start(container.id)

    def _add(self, container: Container) -> None:
        if len(self._logs) >= MAX_CONTAINERS:
            self._forget_one_that_ended()
        log = ContainerLog(container, on_gap=self._listener.gap, on_message=self._listener.engine_message)
        renderer = Renderer(self._view, self._labels, container.service, container.name)
        with self._lock:
            self._logs[container.id] = _Followed(log, renderer)
        self._connection.containers.add(container.id)

    def _forget_one_that_ended(self) -> None:
        """Drop a log that is not read any more. Raises EngineFailed if all are."""
        with self._lock:
            ended = next((key for key, each in self._logs.items() if not each.active), None)
            if ended is None:
                raise _too_many(len(self._logs) + 1)
            del self._logs[ended]

    def _retry(self, request: Callable[[Engine], list[Container]]) -> list[Container]:
        while True:
            engine, number = self._connection.engine()
            try:
                answer = request(engine)
                self._connection.progress()
                return answer
            except Unreachable as error:
                self._connection.reconnect(number, error)


def _too_many(count: int) -> EngineFailed:
    return EngineFailed(
        f"The device has {count} containers; the logs of at most {MAX_CONTAINERS} are read at the same time.",
        hint="Choose services with --service NAME.",
    )

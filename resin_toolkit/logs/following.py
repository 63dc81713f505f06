"""The logs of a device's containers: what is there, then what comes, whatever breaks meanwhile."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

from resin_toolkit.engine import Container, Engine
from resin_toolkit.errors import EngineFailed, ServiceNotFound, Unreachable
from resin_toolkit.logs.lines import Line
from resin_toolkit.logs.link import Ended, Link
from resin_toolkit.logs.outlet import Outlet
from resin_toolkit.logs.reading import ContainerLog, Pieces
from resin_toolkit.logs.view import Labels, Renderer, View
from resin_toolkit.logs.workers import Workers

Timed = Iterator[tuple[Line, Renderer]]
"""Lines, each with what shows it."""
_BATCH = 512
_PAUSE = 0.2


@dataclass(frozen=True)
class Wanted:
    """What is asked of the engine for each container."""

    services: frozenset[str]
    """Of services or containers; empty is all."""
    tail: str = "all"
    since: str = ""
    until: str = ""

    def takes(self, container: Container) -> bool:
        return not self.services or bool(
            self.services & {container.service, container.name, container.id, container.id[:12]}
        )


class Telling:
    """What is told beside the lines; each is called from any thread."""

    gone: Callable[[ContainerLog, bytes, bytes], None]
    remark: Callable[[ContainerLog, str], None]
    unreadable: Callable[[Container, EngineFailed], None]


@dataclass
class _Followed:
    log: ContainerLog
    renderer: Renderer
    active: bool = False
    again: bool = False


class Logs:
    """The logs of the containers of one device. `outlet` gets the lines, `telling` what there is to say.

    `show` is to be called first, then `follow`, which starts threads and returns; `stop` ends them.
    """

    def __init__(
        self, link: Link, wanted: Wanted, view: View, labels: Labels, outlet: Outlet, telling: Telling
    ) -> None:
        self._link = link
        self._wanted = wanted
        self._view = view
        self._labels = labels
        self._outlet = outlet
        self._telling = telling
        self._logs: dict[str, _Followed] = {}
        self._lock = Lock()
        self._workers = Workers(outlet.fail)
        self._news: object = None

    @property
    def containers(self) -> list[Container]:
        return [followed.log.container for followed in self._logs.values()]

    def choose(self) -> None:
        """Find what is wanted. Raises ServiceNotFound where one that is named is not there."""
        found = self._asked(lambda engine: engine.containers(all=True))
        chosen = [container for container in found if self._wanted.takes(container)]
        missing = self._wanted.services - {
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

    def show(self, others: Sequence[Timed] = ()) -> None:
        """Write what there is now, and in `others`, in the order of time; from the thread of the outlet."""
        followed = list(self._logs.values())
        if len(followed) == 1 and not others:
            for pieces in self._present(followed[0].log):
                self._outlet.write(followed[0].renderer.pieces(pieces))
        else:
            write_merged(self._outlet, [*(self._timed(each) for each in followed), *others])

    def show_ends(self) -> None:
        """Write the lines that have no end: of those no more will come."""
        for each in self._logs.values():
            self._outlet.write(each.renderer.lines(each.renderer.rest()))

    def follow(self) -> None:
        """Begin to put what comes, of these containers and of those that start later."""
        for identity in list(self._logs):
            self._begin(identity)
        self._workers.start("events of the engine", self._watch)

    def stop(self) -> None:
        """End all threads; the link and the outlet have to be closed before."""
        with self._lock:
            logs = [each.log for each in self._logs.values()]
            news = self._news
        for log in logs:
            log.stop()
        if news is not None:
            news.close()  # type: ignore[attr-defined]
        self._workers.join(1.0)

    # one after the other

    def _present(self, log: ContainerLog) -> Iterator[Pieces]:
        """What was asked for of one log, over as many connections as it takes."""
        wanted = self._wanted
        begun = False
        while True:
            engine, number = self._link.engine()
            try:
                parts = (
                    log.rest(engine)
                    if begun
                    else log.first(engine, tail=wanted.tail, since=wanted.since, until=wanted.until)
                )
                for pieces in parts:
                    begun = True
                    yield pieces
                return
            except ServiceNotFound:
                return
            except EngineFailed as error:
                if len(self._logs) == 1:
                    raise
                self._telling.unreadable(log.container, error)
                return
            except Unreachable as error:
                self._link.again(number, error)

    def _timed(self, followed: _Followed) -> Timed:
        renderer = followed.renderer
        for pieces in self._present(followed.log):
            for line in renderer.made(pieces):
                yield line, renderer

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
                runs = False
            except EngineFailed as error:
                self._telling.unreadable(followed.log.container, error)
                runs = False
            with self._lock:
                if not runs and not followed.again:
                    followed.active = False
                    break
            self._link.pause(_PAUSE / 4)
        self._outlet.put(followed.renderer.lines(followed.renderer.rest()))

    def _followed_once(self, followed: _Followed) -> bool:
        """Over one connection; whether the container still runs."""
        log = followed.log
        engine, number = self._link.engine()
        try:
            runs = engine.inspect(log.container.id).running
            for pieces in log.rest(engine):
                self._outlet.put(followed.renderer.pieces(pieces))
            if runs:
                for pieces in log.followed(engine):
                    self._outlet.put(followed.renderer.pieces(pieces))
        except Unreachable as error:
            if self._link.closed:
                raise Ended from None
            self._link.again(number, error)
            return True
        if self._link.closed:
            raise Ended
        return runs

    def _watch(self) -> None:
        """Begin to follow each container that starts."""
        while True:
            engine, number = self._link.engine()
            try:
                with engine.events(filters={"event": ["start"]}) as news:
                    self._news = news
                    if self._link.closed:
                        raise Ended
                    self._begin_all(engine)
                    for _ in _starts(iter(lambda: news.read(65536), b"")):
                        self._begin_all(engine)
            except Unreachable as error:
                if self._link.closed:
                    raise Ended from None
                self._link.again(number, error)
            self._link.pause(_PAUSE)

    def _begin_all(self, engine: Engine) -> None:
        for container in engine.containers(all=False):
            if not self._wanted.takes(container):
                continue
            with self._lock:
                is_new = container.id not in self._logs
            if is_new:
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


def write_merged(outlet: Outlet, sources: Sequence[Timed]) -> None:
    """Write the lines of all sources in the order of time, each source's in its own order."""
    for renderer, lines in _runs(heapq.merge(*sources, key=lambda entry: entry[0].stamp)):
        outlet.write(renderer.lines(lines))


def _runs(entries: Iterable[tuple[Line, Renderer]]) -> Iterator[tuple[Renderer, list[Line]]]:
    """Neighbouring lines of one log together."""
    held: list[Line] = []
    last: Renderer | None = None
    for line, renderer in entries:
        if last is not None and (renderer is not last or len(held) == _BATCH):
            yield last, held
            held = []
        last = renderer
        held.append(line)
    if last is not None:
        yield last, held


def _starts(parts: Iterable[bytes]) -> Iterator[str]:
    """The IDs in a stream of events, of containers that have started."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            with suppress(ValueError):
                known = json.loads(line)
                if isinstance(known, dict):
                    yield str(known.get("id", ""))

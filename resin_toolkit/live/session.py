"""Live mode: each save goes to the device, whatever happens to the device meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from resin_toolkit.engine import Engine
from resin_toolkit.errors import (
    BuildFailed,
    EngineFailed,
    Notice,
    PushFailed,
    ResinError,
    ServiceNotFound,
    Unreachable,
)
from resin_toolkit.live.batches import Batch
from resin_toolkit.live.service import LiveService, ignored_by, look_at
from resin_toolkit.live.syncing import CannotDelete
from resin_toolkit.live.syncing import Changed as ChangedMeanwhile
from resin_toolkit.live.tree import Tree
from resin_toolkit.live.watching import Watch
from resin_toolkit.logs.link import Ended, Link
from resin_toolkit.push.bringing import Brought, Change
from resin_toolkit.push.existing import look
from resin_toolkit.push.pushing import Pushed
from resin_toolkit.push.sources import Source

_LOOK_AGAIN = 0.2


class Telling(Protocol):
    """Hears of each batch; called from the thread that keeps the containers in step."""

    def batch(self, what: str, files: Sequence[str], seconds: float) -> None:
        """Something was done, such as "synced 2 files, restarted main"."""

    def failed(self, error: ResinError) -> None:
        """A batch did not get through; what ran before runs on."""

    def warn(self, notice: Notice) -> None: ...


class Pushing(Protocol):
    """How a project is pushed once more."""

    def again(self, engine: Engine, services: frozenset[str] | None) -> Pushed:
        """Push some services, None for all, with the project's files read anew."""

    def files(self) -> Sequence[Path]:
        """The files that say what the application is."""


@dataclass(frozen=True)
class Before:
    """How the folders of the services looked before they were pushed."""

    trees: Mapping[str, Tree]

    @classmethod
    def of(cls, sources: Mapping[str, Source], ignored: Sequence[str]) -> Before:
        rules = ignored_by(ignored)
        return cls({name: look_at(source, rules) for name, source in sources.items()})


class Live:
    """Keeps an application in step with its project until it is closed. `app` is its name on the device."""

    def __init__(
        self,
        link: Link,
        app: str,
        pushing: Pushing,
        telling: Telling,
        *,
        debounce: float,
        ignored: Sequence[str] = (),
    ) -> None:
        self.batches = 0
        self._link = link
        self._app = app
        self._pushing = pushing
        self._telling = telling
        self._debounce = debounce
        self._ignored = ignored
        self._services: dict[str, LiveService] = {}
        self._closed = threading.Event()
        self._stamps: dict[Path, int] = {}

    def begin(self, engine: Engine, pushed: Pushed, before: Before) -> None:
        """What a push has brought is what is kept in step from now on."""
        for brought in pushed.brought:
            self._note(engine, brought, pushed.sources.get(brought.service), before)
        self._stamps = self._file_stamps()

    def run(self) -> None:
        """Send what is saved until `close`. Raises what ends it for good: IoFailed, Refused."""
        folders = {service.root for service in self._services.values()}
        folders |= {path.parent for path in self._pushing.files()}
        with Watch(sorted(folders), debounce=self._debounce) as watch:
            watch.poke()
            while not self._closed.is_set():
                if not watch.wait(0.5):
                    continue
                try:
                    self._in_step()
                except Ended:
                    return
                except ChangedMeanwhile:
                    time.sleep(_LOOK_AGAIN)
                    watch.poke()

    def close(self) -> None:
        self._closed.set()

    # one batch

    def _in_step(self) -> None:
        """Bring everything in step, however often the device goes away meanwhile."""
        while not self._closed.is_set():
            engine, number = self._link.engine()
            try:
                self._batch(engine)
            except Unreachable as error:
                self._link.again(number, error)
                continue
            return

    def _batch(self, engine: Engine) -> None:
        if self._file_stamps() != self._stamps:
            self._whole_push(engine)
            return
        self._check_containers(engine)
        for service in list(self._services.values()):
            batch, now = service.look()
            if not batch:
                service.bring(engine, batch, now)
            elif batch.reason:
                self._rebuild(engine, service, batch, now)
            else:
                self._sync(engine, service, batch, now)

    def _sync(self, engine: Engine, service: LiveService, batch: Batch, now: Tree) -> None:
        started = time.monotonic()
        try:
            service.bring(engine, batch, now)
        except (CannotDelete, ServiceNotFound) as error:
            self._rebuild(engine, service, Batch(f"{service.name}: {error}", files=batch.files), now)
            return
        except EngineFailed as error:
            self._telling.failed(error)
            self._rebuild(engine, service, Batch("the engine refused the files", files=batch.files), now)
            return
        self._told(_said(service.name, batch), batch, started)

    def _rebuild(self, engine: Engine, service: LiveService, batch: Batch, now: Tree) -> None:
        if service.was_refused(now):
            return
        started = time.monotonic()
        self._telling.warn(Notice("rebuild", f"{service.name} is built anew: {batch.reason}."))
        before = Before({service.name: now})
        try:
            pushed = self._pushing.again(engine, frozenset({service.name}))
        except Unreachable:
            raise
        except (BuildFailed, PushFailed) as error:
            service.refuse(now)
            self._telling.failed(error)
            return
        except ResinError as error:
            # A Dockerfile that cannot be read, a base image that is not there: the next save may mend it.
            service.refuse(now)
            self._telling.failed(error)
            return
        self.begin(engine, pushed, before)
        self._told(f"rebuilt {service.name}", batch, started)

    def _whole_push(self, engine: Engine) -> None:
        """The files that say what the application is have changed: everything is looked at anew."""
        started = time.monotonic()
        stamps = self._file_stamps()
        try:
            pushed = self._pushing.again(engine, None)
        except Unreachable:
            raise
        except ResinError as error:
            self._stamps = stamps
            self._telling.failed(error)
            return
        before = Before.of(pushed.sources, self._ignored)
        self._services = {}
        self.begin(engine, pushed, before)
        changed = ", ".join(
            f"{b.change} {b.service}" for b in pushed.brought if b.change is not Change.UNCHANGED
        )
        self._told(changed or "nothing to change", Batch(), started)

    def _check_containers(self, engine: Engine) -> None:
        """Somebody else's container in the place of ours: what it holds is not known."""
        there = look(engine, self._app)
        for name, service in list(self._services.items()):
            current = there[name].current if name in there else None
            if current is None or current.id != service.container:
                now: Tree = {}
                self._rebuild(engine, service, Batch("its container is another one now"), now)

    # what is known

    def _note(self, engine: Engine, brought: Brought, source: Source | None, before: Before) -> None:
        if brought.change is Change.REMOVED:
            self._services.pop(brought.service, None)
        elif source is not None:
            held = before.trees.get(brought.service, {})
            self._services[brought.service] = LiveService(
                engine, source, brought.container, held, self._ignored
            )

    def _file_stamps(self) -> dict[Path, int]:
        found = {}
        for path in self._pushing.files():
            try:
                found[path] = path.stat().st_mtime_ns
            except OSError:
                found[path] = 0
        return found

    def _told(self, what: str, batch: Batch, started: float) -> None:
        self.batches += 1
        self._telling.batch(what, sorted(batch.files), time.monotonic() - started)


def _said(name: str, batch: Batch) -> str:
    count = len(batch.files)
    done = []
    if batch.placings or batch.deleted:
        done.append(f"synced {count} file{'' if count == 1 else 's'}")
    if batch.restart:
        done.append(f"restarted {name}")
    return ", ".join(done)

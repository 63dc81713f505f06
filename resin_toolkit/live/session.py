"""Live mode: each save goes to the device, whatever happens to the device meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from resin_toolkit.engine import Engine
from resin_toolkit.errors import (
    EngineFailed,
    Notice,
    ResinError,
    ServiceNotFound,
    Unreachable,
)
from resin_toolkit.live.change_batch import ChangeBatch
from resin_toolkit.live.container_files import CannotDelete
from resin_toolkit.live.container_files import ChangedWhileReading as ChangedMeanwhile
from resin_toolkit.live.live_service import LiveService, parse_ignored, scan_context, watched_outside
from resin_toolkit.live.snapshot import Snapshot, stamps_of
from resin_toolkit.live.stable_scan import stable_scan
from resin_toolkit.live.synced_state import SyncedState
from resin_toolkit.live.watcher import FileWatcher, folder_identities
from resin_toolkit.push.apply.reconciler import ServiceChange, ServiceDeployment
from resin_toolkit.push.deployment import Deployment
from resin_toolkit.push.plan.build_source import BuildSource
from resin_toolkit.push.plan.observed_state import observe
from resin_toolkit.reach.reconnecting_engine import Ended, Link

_LOOK_AGAIN = 0.2


class LiveListener(Protocol):
    """Hears of each batch; called from the thread that keeps the containers in step."""

    def batch(self, what: str, files: Sequence[str], seconds: float) -> None:
        """Something was done, such as "synced 2 files, restarted main"."""

    def failed(self, error: ResinError) -> None:
        """A batch did not get through; what ran before runs on."""

    def warn(self, notice: Notice) -> None: ...


class Redeployer(Protocol):
    """How a project is pushed once more."""

    def redeploy(self, engine: Engine, services: frozenset[str] | None) -> tuple[Deployment, ProjectSnapshot]:
        """Push some services, None for all, with the project's files read anew; and how all looked before."""

    def files(self) -> Sequence[Path]:
        """The files that say what the application is."""


_ANYWHERE = Path("/")


@dataclass(frozen=True)
class ProjectSnapshot:
    """How all looked before it was pushed: the folders of the services, and the files of the project."""

    trees: Mapping[str, Snapshot]
    ignored: Sequence[str] = ()
    """What was not looked at: `[live] ignore`."""
    files: Snapshot | None = None
    """Those that say what the application is, by their whole path; None where they were not looked at."""

    @classmethod
    def of(
        cls, sources: Mapping[str, BuildSource], ignored: Sequence[str], files: Iterable[Path] = ()
    ) -> ProjectSnapshot:
        # In this order: a file of the project may lie in a folder, too, and be saved in between.
        paths = tuple(files)
        found = stable_scan(lambda: stamps_of(paths)) if paths else None
        rules = parse_ignored(ignored)
        return cls({name: scan_context(source, rules) for name, source in sources.items()}, ignored, found)


class LiveSession:
    """Keeps an application in step with its project until it is closed. `app` is its name on the device."""

    def __init__(
        self,
        link: Link,
        app: str,
        pushing: Redeployer,
        listener: LiveListener,
        *,
        debounce: float,
    ) -> None:
        self.batches = 0
        self._link = link
        self._app = app
        self._pushing = pushing
        self._listener = listener
        self._debounce = debounce
        self._services: dict[str, LiveService] = {}
        self._closed = threading.Event()
        self._files = SyncedState(_ANYWHERE, {})
        self._owes: Mapping[str, Snapshot] | None = None
        """How the folders looked when a push of all failed: with the next save it is tried again."""

    def track(self, pushed: Deployment, before: ProjectSnapshot) -> None:
        """Keep what a push has deployed in sync from now on."""
        if before.files is not None:
            self._files = SyncedState(_ANYWHERE, before.files)
        for service in pushed.services:
            self._note(service, pushed.sources.get(service.service), before)

    def run(self) -> None:
        """Send what is saved until `close`. Raises what ends it for good: IoFailed, Refused."""
        while not self._closed.is_set():
            known = folder_identities(self._folders())
            with FileWatcher(list(known), debounce=self._debounce) as watch:
                watch.trigger()
                # A folder that was moved away, or replaced, is another one: watch the new one.
                while not self._closed.is_set() and known == folder_identities(self._folders()):
                    if not self._waited(watch):
                        return

    def close(self) -> None:
        self._closed.set()

    def _waited(self, watch: FileWatcher) -> bool:
        """Wait a moment for changes, and send them; whether it goes on."""
        if not watch.wait(0.5):
            return True
        try:
            self._sync_all()
        except Ended:
            return False
        except ChangedMeanwhile:
            time.sleep(_LOOK_AGAIN)
            watch.trigger()
        return True

    def _folders(self) -> list[Path]:
        """What is watched."""
        found = {service.root for service in self._services.values()}
        found |= {path for service in self._services.values() for path in watched_outside(service.source)}
        return sorted(found | {path.parent for path in self._pushing.files()})

    # one batch

    def _sync_all(self) -> None:
        """Bring everything in step, however often the device goes away meanwhile."""
        while not self._closed.is_set():
            engine, number = self._link.engine()
            try:
                self._batch(engine)
            except Unreachable as error:
                self._link.again(number, error)
                continue
            self._files.learn_hashes()
            for service in self._services.values():
                service.learn_hashes()
            return

    def _batch(self, engine: Engine) -> None:
        files = self._project_files()
        if self._files.difference(files):
            self._whole_push(engine, files)
            return
        if self._owes is not None:
            if self._trees(engine) != self._owes:
                self._whole_push(engine, files)
            return
        self._check_containers(engine)
        for service in list(self._services.values()):
            batch, now = self._looked(engine, service)
            if not batch:
                service.sync(engine, batch, now)
            elif batch.reason:
                self._rebuild(engine, service, batch, now)
            else:
                self._sync(engine, service, batch, now)

    def _project_files(self) -> Snapshot:
        return stable_scan(lambda: stamps_of(self._pushing.files()))

    def _trees(self, engine: Engine) -> dict[str, Snapshot]:
        return {name: self._looked(engine, service)[1] for name, service in self._services.items()}

    @staticmethod
    def _looked(engine: Engine, service: LiveService) -> tuple[ChangeBatch, Snapshot]:
        """Compare; a folder that is missing, as while it is being replaced, is looked for again."""
        try:
            return service.look(engine)
        except FileNotFoundError as error:
            raise ChangedMeanwhile(str(service.root)) from error

    def _sync(self, engine: Engine, service: LiveService, batch: ChangeBatch, now: Snapshot) -> None:
        started = time.monotonic()
        try:
            service.sync(engine, batch, now)
        except (CannotDelete, ServiceNotFound) as error:
            self._rebuild(engine, service, ChangeBatch(f"{error}", files=batch.files), now)
            return
        except EngineFailed as error:
            self._listener.failed(error)
            self._rebuild(
                engine, service, ChangeBatch("the engine refused the files", files=batch.files), now
            )
            return
        except Unreachable:
            raise
        except ResinError as error:
            # A file that cannot be read: the next save may mend it.
            self._listener.failed(error)
            return
        self._told(_said(service.name, batch), batch, started)

    def _rebuild(self, engine: Engine, service: LiveService, batch: ChangeBatch, now: Snapshot) -> None:
        if service.was_refused(now):
            return
        started = time.monotonic()
        self._listener.warn(Notice("rebuild", f"{service.name} is built anew: {batch.reason}."))
        service.invalidate(now)
        try:
            pushed, before = self._pushing.redeploy(engine, frozenset({service.name}))
        except Unreachable:
            raise
        except ResinError as error:
            # A build that failed, a Dockerfile that cannot be read, a base image that is not there: the next
            # save may mend it.
            service.refuse(now)
            self._listener.failed(error)
            return
        self.track(pushed, before)
        self._told(f"rebuilt {service.name}", batch, started)

    def _whole_push(self, engine: Engine, files: Snapshot) -> None:
        """The files that say what the application is have changed: everything is looked at anew."""
        started = time.monotonic()
        trees = self._trees(engine)
        self._files.invalidate(files)
        try:
            pushed, before = self._pushing.redeploy(engine, None)
        except Unreachable:
            raise
        except ResinError as error:
            self._files, self._owes = SyncedState(_ANYWHERE, files), trees
            self._listener.failed(error)
            return
        self._services, self._owes = {}, None
        self.track(pushed, before)
        changed = ", ".join(
            f"{b.change.value} {b.service}"
            for b in pushed.services
            if b.change is not ServiceChange.UNCHANGED
        )
        self._told(changed or "nothing to change", ChangeBatch(), started)

    def _check_containers(self, engine: Engine) -> None:
        """Somebody else's container in the place of ours, or none: what it holds is not known."""
        there = observe(engine, self._app)
        for name, service in list(self._services.items()):
            current = there[name].current if name in there else None
            if current is None or current.id != service.container:
                _, now = self._looked(engine, service)
                what = "is gone" if current is None else "is another one now"
                self._rebuild(engine, service, ChangeBatch(f"its container {what}"), now)

    # what is known

    def _note(self, service: ServiceDeployment, source: BuildSource | None, before: ProjectSnapshot) -> None:
        if service.change is ServiceChange.REMOVED:
            self._services.pop(service.service, None)
        elif source is not None:
            synced = before.trees.get(service.service, {})
            self._services[service.service] = LiveService(source, service.container, synced, before.ignored)

    def _told(self, what: str, batch: ChangeBatch, started: float) -> None:
        self.batches += 1
        self._listener.batch(what, sorted(batch.files), time.monotonic() - started)


def _said(name: str, batch: ChangeBatch) -> str:
    count = len(batch.files)
    done = []
    if batch.uploads or batch.deleted:
        done.append(f"synced {count} file{'' if count == 1 else 's'}")
    if batch.restart:
        done.append(f"restarted {name}")
    return ", ".join(done)

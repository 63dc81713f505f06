"""Live mode: syncs each saved change to the device, however often the device goes away meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from resin_toolkit.engine import Engine
from resin_toolkit.errors import EngineFailed, Notice, ResinError, ServiceNotFound, Unreachable
from resin_toolkit.live.change_batch import ChangeBatch
from resin_toolkit.live.container_files import CannotDelete, ChangedWhileReading
from resin_toolkit.live.live_service import LiveService, parse_ignored, scan_context, watched_outside
from resin_toolkit.live.snapshot import Snapshot, stable_scan, stamps_of
from resin_toolkit.live.synced_state import SyncedState
from resin_toolkit.live.watcher import FileWatcher, folder_identities
from resin_toolkit.push.apply.reconciler import ServiceChange, ServiceDeployment
from resin_toolkit.push.deployment import Deployment
from resin_toolkit.push.plan.build_source import BuildSource
from resin_toolkit.push.plan.observed_state import observe
from resin_toolkit.reach.reconnecting_engine import ConnectionClosed, ReconnectingEngine

_RETRY_PAUSE = 0.2
_POLL = 0.5
_ROOT = Path("/")


class LiveListener(Protocol):
    """Receives the events of live mode, in the thread that syncs."""

    def batch(self, what: str, files: Sequence[str], seconds: float) -> None:
        """A batch of changes was carried out; `what` is such as "synced 2 files, restarted main"."""

    def failed(self, error: ResinError) -> None:
        """A batch failed; the old container keeps running."""

    def warn(self, notice: Notice) -> None: ...


class Redeployer(Protocol):
    """Deploys a project again."""

    def redeploy(self, engine: Engine, services: frozenset[str] | None) -> tuple[Deployment, ProjectSnapshot]:
        """Deploy some services, all if None, with the project's current files.

        Returns the deployment and a snapshot from before it.
        """

    def files(self) -> Sequence[Path]:
        """The files that define the application."""


@dataclass(frozen=True)
class ProjectSnapshot:
    """A project before a deployment: the folders of its services, and the files that define it."""

    contexts: Mapping[str, Snapshot]
    """By service."""
    ignored: Sequence[str] = ()
    """The patterns of `[live] ignore`, which the snapshots leave out."""
    files: Snapshot | None = None
    """By absolute path; None if they were not read."""

    @classmethod
    def of(
        cls, sources: Mapping[str, BuildSource], ignored: Sequence[str], files: Iterable[Path] = ()
    ) -> ProjectSnapshot:
        """Take a snapshot of the folders of these sources, and of these files."""
        # In this order: a defining file may also be in a folder, and be saved in between.
        paths = tuple(files)
        found = stable_scan(lambda: stamps_of(paths)) if paths else None
        rules = parse_ignored(ignored)
        return cls({name: scan_context(source, rules) for name, source in sources.items()}, ignored, found)


class LiveSession:
    """Keeps the containers of an application in sync with its project until it is closed.

    `app` is the application's name on the device, `debounce` the seconds at most to wait for the end of a
    burst of saves. `batches` counts the batches that were carried out.
    """

    def __init__(
        self,
        link: ReconnectingEngine,
        app: str,
        redeployer: Redeployer,
        listener: LiveListener,
        *,
        debounce: float,
    ) -> None:
        self.batches = 0
        self._link = link
        self._app = app
        self._redeployer = redeployer
        self._listener = listener
        self._debounce = debounce
        self._services: dict[str, LiveService] = {}
        self._closed = threading.Event()
        self._files = SyncedState(_ROOT, {})
        self._failed_contexts: Mapping[str, Snapshot] | None = None
        """The folders when a deployment of all services failed: it is tried again after the next save."""

    def track(self, deployment: Deployment, snapshot: ProjectSnapshot) -> None:
        """Keep deployed services in sync from now on. `snapshot` is from before the deployment."""
        if snapshot.files is not None:
            self._files = SyncedState(_ROOT, snapshot.files)
        for service in deployment.services:
            self._track_service(service, deployment.sources.get(service.service), snapshot)

    def run(self) -> None:
        """Sync changes until `close`. Raises what ends it for good: IoFailed, Refused."""
        while not self._closed.is_set():
            known = folder_identities(self._watched_folders())
            with FileWatcher(list(known), debounce=self._debounce) as watcher:
                watcher.trigger()
                # A folder that was moved away, or replaced, is another one: watch the new one.
                while not self._closed.is_set() and known == folder_identities(self._watched_folders()):
                    if not self._wait_and_sync(watcher):
                        return

    def close(self) -> None:
        """Let `run` return; may be called from any thread."""
        self._closed.set()

    def _wait_and_sync(self, watcher: FileWatcher) -> bool:
        """Wait a moment for changes, and sync them; return False once the link is closed."""
        if not watcher.wait(_POLL):
            return True
        try:
            self._sync_all()
        except ConnectionClosed:
            return False
        except ChangedWhileReading:
            time.sleep(_RETRY_PAUSE)
            watcher.trigger()
        return True

    def _watched_folders(self) -> list[Path]:
        found = {service.root for service in self._services.values()}
        found |= {path for service in self._services.values() for path in watched_outside(service.source)}
        return sorted(found | {path.parent for path in self._redeployer.files()})

    def _sync_all(self) -> None:
        """Sync all services, and start over whenever the connection was lost meanwhile."""
        while not self._closed.is_set():
            engine, number = self._link.engine()
            try:
                self._sync_once(engine)
            except Unreachable as error:
                self._link.reconnect(number, error)
                continue
            self._files.hash_files()
            for service in self._services.values():
                service.hash_files()
            return

    def _sync_once(self, engine: Engine) -> None:
        files = stable_scan(lambda: stamps_of(self._redeployer.files()))
        if self._files.difference(files):
            self._redeploy_all(engine, files)
            return
        if self._failed_contexts is not None:
            if self._scan_contexts(engine) != self._failed_contexts:
                self._redeploy_all(engine, files)
            return
        self._rebuild_foreign_containers(engine)
        for service in list(self._services.values()):
            batch, now = self._compare(engine, service)
            if not batch:
                service.sync(engine, batch, now)
            elif batch.rebuild_reason:
                self._rebuild(engine, service, batch, now)
            else:
                self._sync(engine, service, batch, now)

    def _scan_contexts(self, engine: Engine) -> dict[str, Snapshot]:
        return {name: self._compare(engine, service)[1] for name, service in self._services.items()}

    @staticmethod
    def _compare(engine: Engine, service: LiveService) -> tuple[ChangeBatch, Snapshot]:
        """The changes of a service. A folder that is missing may be about to be replaced: try again later."""
        try:
            return service.compare(engine)
        except FileNotFoundError as error:
            raise ChangedWhileReading(str(service.root)) from error

    def _sync(self, engine: Engine, service: LiveService, batch: ChangeBatch, now: Snapshot) -> None:
        started = time.monotonic()
        try:
            service.sync(engine, batch, now)
        except (CannotDelete, ServiceNotFound) as error:
            self._rebuild(engine, service, ChangeBatch(f"{error}", files=batch.files), now)
            return
        except EngineFailed as error:
            self._listener.failed(error)
            reason = "the engine refused the files"
            self._rebuild(engine, service, ChangeBatch(reason, files=batch.files), now)
            return
        except Unreachable:
            raise
        except ResinError as error:
            # A file that cannot be read: the next save may fix it.
            self._listener.failed(error)
            return
        self._report(_summary(service.name, batch), batch, started)

    def _rebuild(self, engine: Engine, service: LiveService, batch: ChangeBatch, now: Snapshot) -> None:
        if service.has_failed_with(now):
            return
        started = time.monotonic()
        self._listener.warn(Notice("rebuild", f"Rebuilding {service.name}: {batch.rebuild_reason}."))
        service.invalidate(now)
        try:
            deployment, snapshot = self._redeployer.redeploy(engine, frozenset({service.name}))
        except Unreachable:
            raise
        except ResinError as error:
            # The build failed, the Dockerfile cannot be read, a base image is missing: the next save may
            # fix it.
            service.mark_failed(now)
            self._listener.failed(error)
            return
        self.track(deployment, snapshot)
        self._report(f"rebuilt {service.name}", batch, started)

    def _redeploy_all(self, engine: Engine, files: Snapshot) -> None:
        """Deploy all services again, because the files that define the application have changed."""
        started = time.monotonic()
        contexts = self._scan_contexts(engine)
        self._files.invalidate(files)
        try:
            deployment, snapshot = self._redeployer.redeploy(engine, None)
        except Unreachable:
            raise
        except ResinError as error:
            self._files, self._failed_contexts = SyncedState(_ROOT, files), contexts
            self._listener.failed(error)
            return
        self._services, self._failed_contexts = {}, None
        self.track(deployment, snapshot)
        changes = ", ".join(
            f"{service.change.value} {service.service}"
            for service in deployment.services
            if service.change is not ServiceChange.UNCHANGED
        )
        self._report(changes or "nothing to change", ChangeBatch(), started)

    def _rebuild_foreign_containers(self, engine: Engine) -> None:
        """Rebuild services whose container somebody else has removed or replaced: its files are unknown."""
        observed = observe(engine, self._app)
        for name, service in list(self._services.items()):
            current = observed[name].current if name in observed else None
            if current is None or current.id != service.container:
                _, now = self._compare(engine, service)
                what = "was removed" if current is None else "was replaced"
                self._rebuild(engine, service, ChangeBatch(f"its container {what} by somebody else"), now)

    def _track_service(
        self, service: ServiceDeployment, source: BuildSource | None, snapshot: ProjectSnapshot
    ) -> None:
        name = service.service
        if service.change is ServiceChange.REMOVED:
            self._services.pop(name, None)
        elif source is not None:
            synced = snapshot.contexts.get(name, {})
            self._services[name] = LiveService(source, service.container, synced, snapshot.ignored)

    def _report(self, what: str, batch: ChangeBatch, started: float) -> None:
        self.batches += 1
        self._listener.batch(what, sorted(batch.files), time.monotonic() - started)


def _summary(name: str, batch: ChangeBatch) -> str:
    count = len(batch.files)
    done = []
    if batch.uploads or batch.deleted:
        done.append(f"synced {count} file{'' if count == 1 else 's'}")
    if batch.restart:
        done.append(f"restarted {name}")
    return ", ".join(done)

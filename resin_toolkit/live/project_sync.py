"""Live mode for a project that was pushed, in a thread of its own, so that logs can be followed beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from resin_toolkit.engine import Engine
from resin_toolkit.live.session import LiveListener, LiveSession, ProjectSnapshot
from resin_toolkit.push.deployment import Deployment
from resin_toolkit.push.session import PushSession
from resin_toolkit.reach.reconnecting_engine import ReconnectingEngine

DEBOUNCE = 0.5
"""Seconds at most to wait for the end of a burst of saves."""

Deploy = Callable[[Engine, frozenset[str] | None], Deployment]
"""Deploys some services of the session's application, all if None."""


def take_snapshot(session: PushSession, services: frozenset[str] | None = None) -> ProjectSnapshot:
    """The project's folders before a deployment: a file saved during it differs from them afterwards.

    With some `services` only, the files that define the application are left out.
    """
    files = session.files() if services is None else []
    return ProjectSnapshot.of(session.build_sources(services), session.project.settings.live.ignore, files)


class ProjectSync:
    """Keeps the containers of a pushed project in sync with its files until it is stopped."""

    def __init__(self, session: PushSession, deploy: Deploy, listener: LiveListener) -> None:
        self._session = session
        self._deploy = deploy
        self._listener = listener
        self._live: LiveSession | None = None
        self._thread: threading.Thread | None = None

    @property
    def batches(self) -> int:
        """The number of batches of changes that were carried out."""
        return self._live.batches if self._live else 0

    def start(
        self,
        link: ReconnectingEngine,
        deployment: Deployment,
        snapshot: ProjectSnapshot,
        fail: Callable[[BaseException], object],
    ) -> None:
        """Start the thread. `snapshot` is from before `deployment`; `fail` receives what ends the thread."""
        debounce = self._session.project.settings.live.debounce
        live = LiveSession(
            link,
            self._session.application.name,
            _Redeployer(self._session, self._deploy),
            self._listener,
            debounce=DEBOUNCE if debounce is None else debounce,
        )
        live.track(deployment, snapshot)
        self._live = live
        self._thread = threading.Thread(target=_run, args=(live, fail), name="live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; the link has to be closed already."""
        if self._live is not None:
            self._live.close()
        if self._thread is not None:
            self._thread.join(timeout=5.0)


def _run(live: LiveSession, fail: Callable[[BaseException], object]) -> None:
    try:
        live.run()
    except BaseException as failure:  # noqa: BLE001 - handed to the thread that waits
        fail(failure)


class _Redeployer:
    """Deploys the project again, with its files as they are now."""

    def __init__(self, session: PushSession, deploy: Deploy) -> None:
        self._session = session
        self._deploy = deploy

    def redeploy(self, engine: Engine, services: frozenset[str] | None) -> tuple[Deployment, ProjectSnapshot]:
        if services is None:
            self._session.reload()
        snapshot = take_snapshot(self._session, services)
        if services is None:
            # What is deployed must not be older than the snapshot.
            self._session.reload()
        return self._deploy(engine, services), snapshot

    def files(self) -> Sequence[Path]:
        return self._session.files()

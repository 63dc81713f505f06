"""What goes on after a push: the application's logs, and each change that is saved."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.logs.session import Beside, follow_beside
from resin_toolkit.device.record import Device
from resin_toolkit.errors import Interrupted, Notice, ResinError, Unreachable
from resin_toolkit.live.session import LiveSession, ProjectSnapshot
from resin_toolkit.logs.writer import Outlet
from resin_toolkit.push.apply.reconciler import ServiceChange
from resin_toolkit.push.deployment import Deployment
from resin_toolkit.push.plan.platform import Platform
from resin_toolkit.reach.reconnecting_engine import Link
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from commands.push.session import Session
    from resin_toolkit.engine import Engine
    from resin_toolkit.project.application import Application

DEBOUNCE = 0.5
"""Seconds for which a burst of saves that does not end is waited out."""
STOPPED = Interrupted("Stopped; the application runs on.")
_OLD_LINES = 10


def follow(
    session: Session,
    device: Device,
    application: Application,
    platform: Platform,
    pushed: Deployment,
    before: ProjectSnapshot | None,
) -> int | None:
    """Show the logs until Ctrl-C, and keep the containers in step; how many batches that were."""
    is_new = any(brought.change is not ServiceChange.UNCHANGED for brought in pushed.services)
    beside = _Keeping(session, device, application, platform, pushed, before) if before else None
    follow_beside(
        session.report,
        device,
        app=application.name,
        services=session.typed.services,
        tail="all" if is_new else str(_OLD_LINES),
        beside=beside,
    )
    return beside.batches if beside else None


class _Keeping(Beside):
    """Keeps the containers in step in a thread of its own, beside the logs."""

    def __init__(
        self,
        session: Session,
        device: Device,
        application: Application,
        platform: Platform,
        pushed: Deployment,
        before: ProjectSnapshot,
    ) -> None:
        self._session = session
        self._application = application
        self._device = device
        self._pushed = pushed
        self._before = before
        self._pushing = _Again(session, application, platform)
        self._live: LiveSession | None = None
        self._link: Link | None = None
        self._thread: threading.Thread | None = None

    @property
    def batches(self) -> int:
        return self._live.batches if self._live else 0

    def start(self, link: Link, outlet: Outlet) -> None:
        debounce = self._session.project.settings.live.debounce
        self._link = link
        self._live = LiveSession(
            link,
            self._application.name,
            self._pushing,
            _Told(self._session.report),
            debounce=DEBOUNCE if debounce is None else debounce,
        )
        self._live.track(self._pushed, self._before)
        self._thread = threading.Thread(target=self._run, args=(outlet,), name="live", daemon=True)
        self._thread.start()
        self._session.report.if_interrupted = STOPPED
        self._session.report.say("Waiting for changes; Ctrl-C ends it, the application runs on.")

    def stop(self) -> None:
        if self._live is not None:
            self._live.close()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self, outlet: Outlet) -> None:
        assert self._live is not None
        try:
            self._live.run()
        except BaseException as failure:  # noqa: BLE001 - carried over to the thread that waits
            outlet.fail(failure)


class _Again:
    """Pushes the project once more, as its files are now."""

    def __init__(self, session: Session, application: Application, platform: Platform) -> None:
        self._session = session
        self._application = application
        self._platform = platform

    def redeploy(self, engine: Engine, services: frozenset[str] | None) -> tuple[Deployment, ProjectSnapshot]:
        session = self._session
        if services is None:
            self._application = session.read_again(self._platform)
        before = session.look(self._application, self._platform, services)
        if services is None:
            # What is pushed is never older than what it looked like.
            self._application = session.read_again(self._platform)
        try:
            pushed = session.deploy(engine, self._application, self._platform, services=services)
        except Unreachable:
            # The device may be amid the change: it stays told so until it is known.
            raise
        except ResinError:
            session.report.if_interrupted = STOPPED
            raise
        session.report.if_interrupted = STOPPED
        return pushed, before

    def files(self) -> Sequence[Path]:
        return self._session.project_files(self._application)


class _Told:
    def __init__(self, report: Report) -> None:
        self._report = report

    def batch(self, what: str, files: Sequence[str], seconds: float) -> None:
        self._report.event("batch", done=what, files=list(files), seconds=round(seconds, 3))
        self._report.say(f"{time.strftime('%H:%M:%S')} {what}, {seconds:.1f} s")

    def failed(self, error: ResinError) -> None:
        self._report.event("failed", code=error.code, message=error.message, hint=error.hint)
        self._report.say(f"{time.strftime('%H:%M:%S')} error: {error.message}")
        if error.hint:
            self._report.say(f"hint: {error.hint}")

    def warn(self, notice: Notice) -> None:
        self._report.event("notice", code=notice.code, message=notice.message)
        self._report.say(f"{time.strftime('%H:%M:%S')} {notice.message}")

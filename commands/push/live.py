"""What `resin push` does after the deployment: follow the logs, and sync changes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from resin_toolkit.device.record import Device
from resin_toolkit.engine import Engine
from resin_toolkit.errors import Interrupted, Notice, ResinError, Unreachable
from resin_toolkit.live.project_sync import Deploy, ProjectSync
from resin_toolkit.live.session import ProjectSnapshot
from resin_toolkit.logs.session import BackgroundTask, follow_application
from resin_toolkit.logs.writer import LogWriter
from resin_toolkit.push.apply.reconciler import ServiceChange
from resin_toolkit.push.deployment import Deployment
from resin_toolkit.push.session import PushSession
from resin_toolkit.reach.reconnecting_engine import ReconnectingEngine
from resin_toolkit.terminal.report import Report

STOPPED = Interrupted("Stopped; the application keeps running.")
_TAIL = 10
"""Log lines of containers that this push has not changed."""


def follow(
    report: Report,
    device: Device,
    session: PushSession,
    deployment: Deployment,
    snapshot: ProjectSnapshot | None,
    services: tuple[str, ...],
    deploy: Deploy,
) -> int | None:
    """Follow the logs until Ctrl-C; with a `snapshot` also sync changes, and return the number of batches."""
    is_new = any(service.change is not ServiceChange.UNCHANGED for service in deployment.services)
    sync = _SyncBesideLogs(report, session, deployment, snapshot, deploy) if snapshot else None
    follow_application(
        report,
        device,
        app=session.application.name,
        services=services,
        tail="all" if is_new else str(_TAIL),
        background=sync,
    )
    return sync.batches if sync else None


class _SyncBesideLogs(BackgroundTask):
    def __init__(
        self,
        report: Report,
        session: PushSession,
        deployment: Deployment,
        snapshot: ProjectSnapshot,
        deploy: Deploy,
    ) -> None:
        self._report = report
        self._deployment = deployment
        self._snapshot = snapshot
        self._deploy = deploy
        self._sync = ProjectSync(session, self._redeploy, _LiveReport(report))

    @property
    def batches(self) -> int:
        return self._sync.batches

    def start(self, link: ReconnectingEngine, writer: LogWriter) -> None:
        self._sync.start(link, self._deployment, self._snapshot, writer.fail)
        self._report.if_interrupted = STOPPED
        self._report.say("Watching for changes. Press Ctrl-C to stop; the application keeps running.")

    def stop(self) -> None:
        self._sync.stop()

    def _redeploy(self, engine: Engine, services: frozenset[str] | None) -> Deployment:
        try:
            deployment = self._deploy(engine, services)
        except Unreachable:
            # The device may be in the middle of the change: what Ctrl-C reports stays as it is.
            raise
        except ResinError:
            self._report.if_interrupted = STOPPED
            raise
        self._report.if_interrupted = STOPPED
        return deployment


class _LiveReport:
    """Prints the events of live mode with the time, or as JSON."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def batch(self, what: str, files: Sequence[str], seconds: float) -> None:
        self._report.event("batch", done=what, files=list(files), seconds=round(seconds, 3))
        self._say(f"{what}, {seconds:.1f} s")

    def failed(self, error: ResinError) -> None:
        self._report.event("failed", code=error.code, message=error.message, hint=error.hint)
        self._say(f"error: {error.message}")
        if error.hint:
            self._report.say(f"hint: {error.hint}")

    def warn(self, notice: Notice) -> None:
        self._report.event("notice", code=notice.code, message=notice.message)
        self._say(notice.message)

    def _say(self, text: str) -> None:
        self._report.say(f"{time.strftime('%H:%M:%S')} {text}")

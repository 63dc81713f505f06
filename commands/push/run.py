"""One run of `resin push`: find the device, deploy the project, follow its logs."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from commands.common.device import VARIABLE, DeviceOptions, find_device, open_engine
from commands.push.progress import PushReport
from commands.push.result import PushResult
from commands.push.trust import PushTrust
from resin_toolkit.device.address import parse_address
from resin_toolkit.device.record import Device
from resin_toolkit.device.service_cache import cache_services
from resin_toolkit.engine import Engine
from resin_toolkit.errors import BuildFailed, ImageNotFound, Interrupted, PushFailed
from resin_toolkit.project.access import ProjectAccess
from resin_toolkit.project.approvals import device_key
from resin_toolkit.push.deployment import Deployment, PushOptions
from resin_toolkit.push.project import ProjectOverrides, read_project
from resin_toolkit.push.session import PushSession
from resin_toolkit.terminal.report import Report

if TYPE_CHECKING:
    from resin_toolkit.push.preview import PushPreview


class PushRun:
    """`device` is the name on the command line; `options` are completed by the project's settings."""

    def __init__(
        self,
        report: Report,
        overrides: ProjectOverrides,
        device_options: DeviceOptions,
        device: str | None,
        options: PushOptions,
        *,
        live: bool | None,
        detach: bool,
        memory_limit: int,
        trust: bool,
    ) -> None:
        self._report = report
        self._overrides = overrides
        self._device_options = device_options
        self._device_name = device
        self._detach = detach
        self._memory_limit = memory_limit
        project = read_project(overrides)
        enabled = project.settings.live.enabled is not False if live is None else live
        options = replace(
            options,
            grace=project.settings.run.grace,
            cache=project.memory.hashes,
            live=enabled and not detach and overrides.image is None,
        )
        self._trust = PushTrust(report, project.folder, agrees=trust)
        self._session = PushSession(project, overrides, options, report.warn, self._trust.check)

    def run(self) -> PushResult:
        """Deploy the project; without --detach, follow its logs until Ctrl-C."""
        session, snapshot = self._session, None
        access = session.load()
        device = self._find_device(access)
        self._trust.check(access)
        self._say_mentioned(access)
        with open_engine(self._report, device) as engine:
            self._trust.check_engine(engine)
            self._send_image(engine)
            session.prepare(engine, lambda: _detect_type(device))
            if session.options.live:
                from resin_toolkit.live.project_sync import take_snapshot

                snapshot = take_snapshot(session)
            deployment = self._deploy(engine)
            result = PushResult(engine.host, session.application.name, deployment)
            cache_services(engine.host, (service.name for service in session.application.services))
        if self._detach:
            return result
        self._report.say(result.summary())
        # A prompt would meet the logs.
        self._trust.may_ask = False
        from commands.push.live import follow

        batches = follow(
            self._report, device, session, deployment, snapshot, self._overrides.services, self._deploy
        )
        return replace(result, batches=batches)

    def dry_run(self) -> PushPreview:
        """What `run` would build and run."""
        from resin_toolkit.push.preview import preview_push

        device = self._find_device(None)
        with open_engine(self._report, device) as engine:
            self._session.prepare(engine, lambda: _detect_type(device))
            return preview_push(engine, self._session)

    def _find_device(self, access: ProjectAccess | None) -> Device:
        """The device on the command line, else RESIN_DEVICE, else the project's, else one on the network.

        One that only the project's own file names is not contacted before the user allows it; the same
        question covers `access`.
        """
        named = self._session.project.settings.device
        name = self._device_name or os.environ.get(VARIABLE)
        if not name and named:
            parse_address(named)
            self._trust.check_destination(device_key(named), named, access)
        name = name or named or self._remembered_device()
        device = find_device(self._report, name, self._device_options)
        self._trust.choose_device(device_key(name or device.host))
        return device

    def _say_mentioned(self, access: ProjectAccess) -> None:
        for name, use in access.mentioned.items():
            self._report.say(f"Using ${name} from the environment in {use}.")

    def _remembered_device(self) -> str | None:
        """The device of the last push, for a project outside the working directory."""
        from resin_toolkit.project.project_state import find_project_state

        folder = self._session.project.folder
        project = find_project_state(folder)
        here = find_project_state(folder.cwd())
        if project is None or (here is not None and here.project == project.project):
            return None
        return project.device or None

    def _send_image(self, engine: Engine) -> None:
        """Send the image of --image, unless only the device can find it."""
        try:
            self._session.send_image(engine, PushReport(self._report, several=False), self._memory_limit)
        except ImageNotFound as error:
            if (self._overrides.image or "").startswith((".", "/", "~")):
                raise
            self._report.say(f"{error.message} The device looks for it.")

    def _deploy(self, engine: Engine, services: frozenset[str] | None = None) -> Deployment:
        application = self._session.application
        listener = PushReport(self._report, several=len(application.services) > 1)
        names = ", ".join(service.name for service in application.services)
        self._report.if_interrupted = Interrupted(
            f"Interrupted: the old or the new container of {names} keeps running. Push again to be sure."
        )
        self._trust.check_engine(engine)
        self._trust.remember_device()
        name = self._device_name or os.environ.get(VARIABLE) or engine.host
        try:
            return self._session.deploy(engine, listener, name, services)
        except (BuildFailed, PushFailed) as error:
            lines, service = error.facts.get("lines"), error.facts.get("service")
            if isinstance(lines, list) and lines:
                listener.last_output(str(service or ""), [str(line) for line in lines])
            raise


def _detect_type(device: Device) -> str:
    from resin_toolkit.reach.device_info import probe

    return probe(device, containers=False).device_type
